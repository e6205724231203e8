// The files of the repository as git sees them, new ones included, generated and fetched ones not.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Scan, scan } from "./scan.ts";

export const repositoryRoot = join(import.meta.dirname, "../..");

export interface SourceFile {
  /** Path from the repository's root. */
  readonly path: string;
  readonly text: string;
  readonly scan: Scan;
  readonly isTest: boolean;
}

/** Paths of all files, tracked or new. */
export function repositoryPaths(): string[] {
  // Reading the list is harmless whoever owns the checkout, such as root in a container.
  const trust = ["-c", "safe.directory=*"];
  const args = [...trust, "ls-files", "--cached", "--others", "--exclude-standard"];
  const listed = execFileSync("git", args, { cwd: repositoryRoot, encoding: "utf8" });
  const paths = listed.split("\n").filter((path) => path !== "");
  return [...new Set(paths)].filter((path) => existsSync(join(repositoryRoot, path))).sort();
}

export function readRepositoryFile(path: string): string {
  return readFileSync(join(repositoryRoot, path), "utf8");
}

/** Every TypeScript and JavaScript file, scanned. */
export function sourceFiles(): SourceFile[] {
  return repositoryPaths()
    .filter((path) => /\.(ts|tsx|mts|mjs|js)$/.test(path))
    .map((path) => {
      const text = readRepositoryFile(path);
      return { path, text, scan: scan(text), isTest: /\.test\.(tsx?|mjs)$/.test(path) };
    });
}

/** The workspace package that a file belongs to, as its folder; undefined for root files. */
export function packageOf(path: string): PackageName | undefined {
  return packageNames.find((name) => path.startsWith(`${packageFolders[name]}/`));
}

export type PackageName = "shared" | "images" | "agent" | "server" | "console" | "cli" | "test";

export const packageFolders: Readonly<Record<PackageName, string>> = {
  shared: "shared",
  images: "images",
  agent: "agent",
  server: "control-plane/server",
  console: "control-plane/console",
  cli: "control-plane/cli",
  test: "test",
};

const packageNames: readonly PackageName[] = [
  "shared",
  "images",
  "agent",
  "server",
  "console",
  "cli",
  "test",
];

/** Whether a file is a program's code and not a test, a test's helper or a configuration. */
export function isProgram(file: SourceFile): boolean {
  return !file.isTest && /^(shared|images|agent|control-plane\/\w+)\/src\//.test(file.path);
}
