// From a recipe to its unpacked packages: reads or makes the lock, fetches what the store lacks and
// unpacks it. This is the only stage of a build that may use the network.
import { cpus } from "node:os";
import { type Lock, LockError, lockText } from "../core/lock/lock.ts";
import type { Recipe } from "../core/recipe/recipe.ts";
import { writeWhole } from "./cache-folder.ts";
import { lockPath, readLockFile } from "./load-recipe.ts";
import { lockRequest, resolveLock } from "./lock.ts";
import { type Mirrors, machineMirrors } from "./mirrors.ts";
import { ensurePackages, LockedPackageMissingError, storedPackagePath } from "./package-store.ts";
import type { ReadyPackage } from "./package-tree.ts";
import { unpackPackage } from "./unpack-package.ts";

/**
 * `never` builds exactly what the lock names or fails; `when-missing` makes a new lock for this build
 * when there is none, or the mirror no longer has a locked version; `always` makes a new one.
 */
export type Relock = "never" | "when-missing" | "always";

/** One thing a build has to say while it runs. */
export interface BuildProgress {
  readonly stage: "lock" | "fetch" | "unpack" | "assemble" | "write" | "wait";
  readonly message: string;
  readonly doneBytes?: number;
  readonly totalBytes?: number;
}

export interface PrepareOptions {
  readonly recipe: Recipe;
  /** Folder whose lock.json is read. */
  readonly recipeFolder: string;
  readonly cacheFolder: string;
  readonly relock: Relock;
  readonly mirrors?: Mirrors | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (progress: BuildProgress) => void;
}

/** `relocked` tells that the lock beside the recipe was not used. */
interface ChosenLock {
  readonly lock: Lock;
  readonly relocked: boolean;
}

async function chooseLock(options: PrepareOptions, force: boolean): Promise<ChosenLock> {
  const { recipe, recipeFolder, relock, onProgress } = options;
  const found = relock === "always" || force ? undefined : await readLockFile(recipeFolder);
  if (found !== undefined && found.request === lockRequest(recipe)) {
    return { lock: found, relocked: false };
  }
  if (relock === "never") {
    const state = found === undefined ? "has no lock file" : "changed since its lock was made";
    throw new LockError(`recipe ${recipe.name} ${state}; make one with relock`);
  }
  onProgress({ stage: "lock", message: `resolving the packages of ${recipe.name}` });
  const mirrors = options.mirrors ?? (await machineMirrors());
  return { lock: await resolveLock({ ...options, mirrors }), relocked: true };
}

async function fetchAll(lock: Lock, options: PrepareOptions): Promise<void> {
  await ensurePackages(lock.packages, {
    cacheFolder: options.cacheFolder,
    mirrors: async () => options.mirrors ?? (await machineMirrors()),
    signal: options.signal,
    onProgress: (done) =>
      options.onProgress({ stage: "fetch", message: "fetching packages", ...done }),
  });
}

async function unpackAll(lock: Lock, options: PrepareOptions): Promise<ReadyPackage[]> {
  const ready: ReadyPackage[] = new Array(lock.packages.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < lock.packages.length; index = next++) {
      options.signal?.throwIfAborted();
      const locked = lock.packages[index];
      if (locked === undefined) return;
      const file = storedPackagePath(options.cacheFolder, locked);
      ready[index] = { locked, unpacked: await unpackPackage(file, options.cacheFolder) };
    }
  };
  options.onProgress({ stage: "unpack", message: `unpacking ${lock.packages.length} packages` });
  // All lanes have ended before anything is reported, so none still writes when the lock is released.
  const lanes = Array.from({ length: Math.min(4, cpus().length) }, lane);
  for (const ended of await Promise.allSettled(lanes)) {
    if (ended.status === "rejected") throw ended.reason;
  }
  return ready;
}

/** The lock that was used and its packages, in the lock's order. */
export async function preparePackages(
  options: PrepareOptions,
): Promise<{ lock: Lock; packages: ReadyPackage[]; relocked: boolean }> {
  let { lock, relocked } = await chooseLock(options, false);
  try {
    await fetchAll(lock, options);
  } catch (error) {
    if (!(error instanceof LockedPackageMissingError) || options.relock !== "when-missing") {
      throw error;
    }
    const message = `${error.message.split(";")[0]}: making a new lock, so the image differs from the one that was locked`;
    options.onProgress({ stage: "lock", message });
    ({ lock, relocked } = await chooseLock(options, true));
    await fetchAll(lock, options);
  }
  return { lock, packages: await unpackAll(lock, options), relocked };
}

/** Resolves a recipe anew and writes its lock file. */
export async function relockRecipe(
  options: Omit<PrepareOptions, "relock" | "onProgress">,
): Promise<Lock> {
  const mirrors = options.mirrors ?? (await machineMirrors());
  const lock = await resolveLock({ ...options, mirrors });
  await writeWhole(lockPath(options.recipeFolder), lockText(lock));
  return lock;
}
