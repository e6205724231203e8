// The build's cache: everything in it can be deleted at any time. One build at a time works in it,
// guarded by a lock folder that names its owner, so a crash never blocks the next build.
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { FleetError } from "@drover/shared/errors";
import { z } from "zod";

/** The output folder of a build is already there; builds never replace one. */
export class OutputExistsError extends FleetError {
  readonly code = "output-exists";
}

const POLL_MS = 250;
const Owner = z.object({ pid: z.number().int(), startedTicks: z.string() });
type Owner = z.infer<typeof Owner>;

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Start time of a process in clock ticks; undefined when it does not run. Guards against reused ids. */
async function startedTicks(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ESRCH") return undefined;
    throw error;
  }
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    return Owner.parse(JSON.parse(await readFile(join(path, "owner.json"), "utf8")));
  } catch (error) {
    // A lock without a readable owner was cut short while it was made or removed.
    if (codeOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function tryTake(path: string, owner: Owner): Promise<boolean> {
  const prepared = await mkdtemp(`${path}.new-`);
  await writeFile(join(prepared, "owner.json"), JSON.stringify(owner));
  try {
    // Renaming a folder onto a non-empty one fails: the lock appears with its owner or not at all.
    await rename(prepared, path);
    return true;
  } catch (error) {
    await rm(prepared, { recursive: true, force: true });
    if (codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Runs `work` while holding the lock `name` in the cache; waits for a living owner to finish. */
export async function withCacheLock<T>(
  options: {
    readonly cacheFolder: string;
    readonly name: string;
    readonly signal?: AbortSignal | undefined;
    readonly onWait: (pid: number) => void;
  },
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(options.cacheFolder, { recursive: true });
  const path = join(options.cacheFolder, `${options.name}.lock`);
  const me = { pid: process.pid, startedTicks: (await startedTicks(process.pid)) ?? "" };
  let told = false;
  while (!(await tryTake(path, me))) {
    options.signal?.throwIfAborted();
    const owner = await ownerOf(path);
    const alive = owner !== undefined && (await startedTicks(owner.pid)) === owner.startedTicks;
    if (!alive) {
      await removeStale(path, owner);
      continue;
    }
    if (!told) options.onWait(owner.pid);
    told = true;
    await wait(POLL_MS, undefined, { signal: options.signal });
  }
  try {
    return await work();
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

async function removeStale(path: string, seen: Owner | undefined): Promise<void> {
  const aside = `${path}.stale-${process.pid}`;
  try {
    // Only one of several waiters can move it aside.
    await rename(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  const moved = await ownerOf(aside);
  const changedHands = moved?.pid !== seen?.pid || moved?.startedTicks !== seen?.startedTicks;
  if (changedHands) await rename(aside, path);
  else await rm(aside, { recursive: true, force: true });
}

/** Runs `work` in a fresh folder inside the cache which is gone afterwards, whatever happens. */
export async function withTemporaryFolder<T>(
  cacheFolder: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const parent = join(cacheFolder, "tmp");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "build-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes a whole file or nothing: temporary name beside it, then rename. */
export async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.new-${process.pid}`;
  await writeFile(temporary, bytes);
  await rename(temporary, path);
}

/** Moves a finished folder to its place, also onto another file system; whole or not at all. */
export async function publishFolder(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const staged = `${to}.new-${process.pid}`;
  await rm(staged, { recursive: true, force: true });
  try {
    await rename(from, staged).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "EXDEV") throw error;
      await cp(from, staged, { recursive: true });
    });
    await chmod(staged, 0o755);
    await rename(staged, to);
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

/** Throws {@link OutputExistsError} when `folder` is there, before a long build finds out at its end. */
export async function requireAbsent(folder: string): Promise<void> {
  const found = await stat(folder).then(
    () => true,
    () => false,
  );
  if (found) throw new OutputExistsError(`the output folder ${folder} is already there`);
}
