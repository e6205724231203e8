// The lock that lets only one server use a data folder. It names a process by identity, not by its id
// alone, so a lock left by a killed server or by an earlier boot never blocks.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DataFolderError, systemCode } from "./errors.ts";
import { identifyProcess, isRunning } from "./process-identity.ts";

const LockFile = z.object({ bootId: z.string(), pid: z.int().positive(), startTicks: z.string() });

/** @throws DataFolderError `data-folder-in-use`, or what the file system says */
export function takeLock(path: string): void {
  const lock = join(path, "lock");
  const own = `${lock}.${process.pid}`;
  try {
    writeFileSync(own, JSON.stringify(identifyProcess(process.pid)), { mode: 0o600 });
    for (let attempt = 0; attempt < 5; attempt += 1) {
      if (tryLink(own, lock)) return;
      const held = readIfThere(lock);
      refuseLivingHolder(path, held);
      // Stale. Renaming is atomic: of two servers that both saw it, one moves it away, and puts it
      // back if a third took the lock in between.
      if (!tryRename(lock, `${own}.stale`)) continue;
      if (readIfThere(`${own}.stale`) !== held) tryLink(`${own}.stale`, lock);
    }
    throw inUse(path, "another server that is starting");
  } finally {
    rmSync(own, { force: true });
    rmSync(`${own}.stale`, { force: true });
  }
}

function refuseLivingHolder(path: string, text: string | undefined): void {
  if (text === undefined) return;
  const holder = LockFile.safeParse(parseJson(text));
  if (holder.success && isRunning(holder.data)) throw inUse(path, `process ${holder.data.pid}`);
}

/** Gives the lock back, if it is ours. */
export function releaseLock(path: string): void {
  const holder = LockFile.safeParse(parseJson(readIfThere(join(path, "lock")) ?? ""));
  if (holder.success && holder.data.pid === process.pid)
    rmSync(join(path, "lock"), { force: true });
}

function inUse(path: string, by: string): DataFolderError {
  const sentence = `the data folder ${path} is in use by ${by}: stop that server first or give another folder`;
  return new DataFolderError("data-folder-in-use", sentence);
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** The text of a file, or undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The value of a JSON text, or undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema then refuses it
  }
}
