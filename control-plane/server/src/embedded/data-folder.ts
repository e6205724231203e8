// The control plane's data folder: its layout, its format version and the lock that lets only one
// server use it. Nothing is written before the folder is known to be ours and not in use.
import {
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { DataFolderError, systemCode } from "./errors.ts";
import { parseJson, readIfThere, releaseLock, takeLock } from "./folder-lock.ts";

/** Raised when an older server could no longer read the folder. */
const formatVersion = 1;
/** Below this much free space the first start can't finish; Postgres alone writes about 60 MB. */
const freeBytesMin = 256 * 1024 * 1024;

const FormatFile = z.object({ format: z.int().positive() });

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
  try {
    takeLock(path);
  } catch (error) {
    throw asDataFolderError(path, error);
  }
  try {
    writeFormat(path);
  } catch (error) {
    releaseLock(path);
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

function writeFormat(path: string): void {
  const file = join(path, "format");
  if (readIfThere(file) !== undefined) return;
  writeFileSync(`${file}.new`, `${JSON.stringify({ format: formatVersion })}\n`, { flush: true });
  renameSync(`${file}.new`, file);
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

const mib = (bytes: number): number => Math.floor(bytes / (1024 * 1024));
