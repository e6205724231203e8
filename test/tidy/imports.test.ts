// Enforces the import rules: the package graph, pure cores, separate shells, one home per dependency.
import { dirname, normalize } from "node:path/posix";
import { describe, expect, test } from "vitest";
import { homes, mayImport, sharedCryptoFolders, siblingShells } from "./import-rules.ts";
import {
  isProgram,
  type PackageName,
  packageFolders,
  packageOf,
  type SourceFile,
  sourceFiles,
} from "./source-files.ts";

interface Import {
  readonly file: SourceFile;
  /** As written, such as `node:fs`, `zod`, `@drover/shared/ids` or `./x.ts`. */
  readonly wanted: string;
  /** Path inside the repository, for imports of our own files. */
  readonly path: string | undefined;
}

const statement =
  /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

function importsOf(file: SourceFile): Import[] {
  return [...file.text.matchAll(statement)].map((found) => {
    const wanted = found[1] ?? found[2] ?? found[3] ?? "";
    return { file, wanted, path: pathOf(file, wanted) };
  });
}

function pathOf(file: SourceFile, wanted: string): string | undefined {
  if (wanted.startsWith(".")) return normalize(`${dirname(file.path)}/${wanted}`);
  const ours = /^@drover\/(\w+)\/(.+)$/.exec(wanted);
  if (ours === null) return undefined;
  const folder = packageFolders[ours[1] as PackageName];
  return `${folder}/${ours[1] === "test" ? "" : "src/"}${ours[2]}.ts`;
}

const files = sourceFiles();
const imports = files.flatMap(importsOf);
const said = (one: Import): string => `${one.file.path} imports ${one.wanted}`;
const isCore = (path: string): boolean => /(^|\/)core\//.test(path);

describe("imports", () => {
  test("packages import only what the package graph allows", () => {
    const wrong = imports.filter(({ file, path }) => {
      const [from, to] = [packageOf(file.path), path === undefined ? undefined : packageOf(path)];
      if (from === undefined || to === undefined || from === to) return false;
      return !mayImport[from].includes(to);
    });
    expect(wrong.map(said)).toEqual([]);
  });

  test("another package is imported by its name, never by a relative path", () => {
    const wrong = imports.filter(({ file, wanted, path }) => {
      const leaves = path !== undefined && packageOf(path) !== packageOf(file.path);
      return wanted.startsWith(".") && leaves && isProgram(file);
    });
    expect(wrong.map(said)).toEqual([]);
  });

  test("core imports only shared, other core and pure packages", () => {
    const wrong = imports.filter(({ file, wanted, path }) => {
      if (!isProgram(file) || !isCore(file.path)) return false;
      if (path !== undefined) return packageOf(path) !== "shared" && !isCore(path);
      return wanted.startsWith("node:") || Object.hasOwn(homes, wanted);
    });
    // A recipe is read where its schema is; the reader computes and touches nothing.
    expect(wrong.map(said).filter((sentence) => !sentence.endsWith("imports yaml"))).toEqual([]);
  });

  test("shared takes nothing of Node but computing with node:crypto in its few places", () => {
    const wrong = imports.filter(({ file, wanted }) => {
      if (!isProgram(file) || packageOf(file.path) !== "shared") return false;
      const folder = file.path.split("/")[2] ?? "";
      const mayCrypto = (sharedCryptoFolders as readonly string[]).includes(folder);
      return wanted.startsWith("node:") && !(wanted === "node:crypto" && mayCrypto);
    });
    expect(wrong.map(said)).toEqual([]);
  });

  test("the browser's code takes nothing of Node", () => {
    const wrong = imports.filter(({ file, wanted }) => {
      return isProgram(file) && packageOf(file.path) === "console" && wanted.startsWith("node:");
    });
    expect(wrong.map(said)).toEqual([]);
  });

  test("shells don't import sibling shells", () => {
    const wrong = imports.filter(({ file, path }) => {
      const name = packageOf(file.path);
      if (name === undefined || path === undefined || !isProgram(file)) return false;
      const shell = (of: string): string | undefined =>
        siblingShells[name]?.find((one) => of.startsWith(`${packageFolders[name]}/src/${one}/`));
      const [from, to] = [shell(file.path), shell(path)];
      return from !== undefined && to !== undefined && from !== to;
    });
    expect(wrong.map(said)).toEqual([]);
  });

  test("each outside package has one home", () => {
    const wrong = imports.filter(({ file, wanted, path }) => {
      if (path !== undefined || !isProgram(file)) return false;
      const name = wanted.startsWith("@") ? wanted.split("/", 2).join("/") : wanted.split("/")[0];
      const home = name !== undefined && Object.hasOwn(homes, name) ? homes[name] : undefined;
      return home !== undefined && !home.test(file.path);
    });
    expect(wrong.map(said)).toEqual([]);
  });
});
