// The control plane's data folder: its layout, its format version and the lock that lets only one
// server use it. Nothing is written before the folder is known to be ours and not in use.
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { DataFolderError, systemCode } from "./errors.ts";
import { identifyProcess, isRunning } from "./process-identity.ts";

/** Raised when an older server could no longer read the folder. */
const formatVersion = 1;
/** Below this much free space the first start can't finish; Postgres alone writes about 60 MB. */
const freeBytesMin = 256 * 1024 * 1024;

const FormatFile = z.object({ format: z.int().positive() });
const LockFile = z.object({ bootId: z.string(), pid: z.int().positive(), startTicks: z.string() });

export interface DataFolder {
  /** Absolute path, symbolic links resolved. */
  readonly path: string;
  /** Absolute path of a named part; the folder exists with mode 0700. */
  part(name: DataFolderPart): string;
  /** Gives the lock back. Call it last, after the embedded services stopped. */
  release(): void;
}

export type DataFolderPart =
  | "postgres"
  | "nats"
  | "tls"
  | "keys"
  | "content"
  | "builds"
  | "cache"
  | "log"
  | "secrets";

/**
 * Opens (or creates) a data folder and takes its lock.
 * @throws DataFolderError with one sentence per cause
 */
export function openDataFolder(folder: string, options?: { freeBytesMin?: number }): DataFolder {
  const path = createFolder(resolve(folder));
  refuseForeignOrNewer(path);
  refuseFullDisk(path, options?.freeBytesMin ?? freeBytesMin);
  takeLock(path);
  try {
    writeFormat(path);
  } catch (error) {
    rmSync(join(path, "lock"), { force: true });
    throw asDataFolderError(path, error);
  }
  return {
    path,
    part(name) {
      const part = join(path, name);
      mkdirSync(part, { recursive: true, mode: 0o700 });
      return part;
    },
    release: () => releaseLock(path),
  };
}

function createFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    readdirSync(path);
    return realpathSync(path);
  } catch (error) {
    throw asDataFolderError(path, error);
  }
}

function refuseForeignOrNewer(path: string): void {
  const text = readIfThere(join(path, "format"));
  if (text === undefined) {
    const strange = readdirSync(path).filter(
      (name) => name !== "lock" && !name.startsWith("lock."),
    );
    if (strange.length === 0) return;
    const sentence = `the folder ${path} holds other things (${strange.slice(0, 3).join(", ")}) and no Drover data: choose an empty or new folder`;
    throw new DataFolderError("data-folder-broken", sentence);
  }
  const parsed = FormatFile.safeParse(parseJson(text));
  if (!parsed.success) {
    const sentence = `the data folder ${path} is broken: its file "format" can't be read; restore the folder from a backup or start with another`;
    throw new DataFolderError("data-folder-broken", sentence);
  }
  if (parsed.data.format > formatVersion) {
    const sentence = `the data folder ${path} was written by a newer Drover (format ${parsed.data.format}, this one reads ${formatVersion}): start the newer version`;
    throw new DataFolderError("data-folder-too-new", sentence);
  }
}

function refuseFullDisk(path: string, bytesMin: number): void {
  const disk = statfsSync(path);
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes >= bytesMin) return;
  const sentence = `the disk of ${path} is full: ${mib(freeBytes)} MiB free, at least ${mib(bytesMin)} MiB are needed`;
  throw new DataFolderError("disk-full", sentence);
}

function takeLock(path: string): void {
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
  } catch (error) {
    throw asDataFolderError(path, error);
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

function releaseLock(path: string): void {
  const holder = LockFile.safeParse(parseJson(readIfThere(join(path, "lock")) ?? ""));
  if (holder.success && holder.data.pid === process.pid)
    rmSync(join(path, "lock"), { force: true });
}

function writeFormat(path: string): void {
  const file = join(path, "format");
  if (readIfThere(file) !== undefined) return;
  writeFileSync(`${file}.new`, `${JSON.stringify({ format: formatVersion })}\n`, { flush: true });
  renameSync(`${file}.new`, file);
}

function inUse(path: string, by: string): DataFolderError {
  const sentence = `the data folder ${path} is in use by ${by}: stop that server first or give another folder`;
  return new DataFolderError("data-folder-in-use", sentence);
}

function asDataFolderError(path: string, error: unknown): DataFolderError {
  if (error instanceof DataFolderError) return error;
  const cause = { cause: error };
  switch (systemCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new DataFolderError("disk-full", `the disk of ${path} is full`, cause);
    case "EEXIST":
    case "ENOTDIR":
      return new DataFolderError("data-folder-broken", `${path} is not a folder`, cause);
    default:
      return new DataFolderError(
        "data-folder-unwritable",
        `the data folder ${path} can't be written by this user (${systemCode(error) ?? String(error)})`,
        cause,
      );
  }
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

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema then refuses it
  }
}

const mib = (bytes: number): number => Math.floor(bytes / (1024 * 1024));
