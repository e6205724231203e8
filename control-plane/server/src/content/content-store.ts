// Immutable objects as files named by kind and digest. An object is visible only whole, with the right
// digest and on stable storage; a failed put leaves nothing behind.
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, rmSync } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ContentName } from "@drover/shared/chunk/content-layout";
import { contentPath } from "@drover/shared/chunk/content-layout";
import { FleetError } from "@drover/shared/errors";

export type ContentFailure =
  | "content-digest-mismatch"
  | "content-too-large"
  | "content-store-full"
  | "content-store-failed";

/** An object could not be stored; nothing of it stays. */
export class ContentError extends FleetError {
  readonly code: ContentFailure;

  constructor(code: ContentFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** No object is larger: a pack is 64 MB, boot files and logs are smaller. */
export const objectBytesMax = 512 * 1024 * 1024;

export interface ContentObject {
  readonly sizeBytes: number;
  /** Bytes `start` to `end`, both included. */
  read(range?: { start: number; end: number }): ReadableStream<Uint8Array>;
}

/** Content behind five functions; files here, an object store elsewhere. */
export interface ContentStore {
  /** Stores the bytes if they have the name's digest. True when the object is new. */
  put(name: ContentName, bytes: AsyncIterable<Uint8Array>): Promise<boolean>;
  get(name: ContentName): Promise<ContentObject | undefined>;
  has(name: ContentName): Promise<boolean>;
  /** Replaces a small pointer document. */
  putPointer(path: string, text: string): Promise<void>;
  getPointer(path: string): Promise<string | undefined>;
}

/** Opens a folder as content store and removes what an interrupted put left. */
export async function openContentStore(folder: string): Promise<ContentStore> {
  const incoming = join(folder, "incoming");
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  for (const name of await readdir(incoming)) await rm(join(incoming, name), { force: true });
  const fileOf = (name: ContentName): string => join(folder, contentPath(name));
  return {
    async put(name, bytes) {
      if (await exists(fileOf(name))) return false;
      return putObject({ folder, file: fileOf(name), name, bytes });
    },
    async get(name) {
      const file = fileOf(name);
      const found = await statIfThere(file);
      if (found === undefined) return undefined;
      return { sizeBytes: found.size, read: (range) => readFile(file, range) };
    },
    has: (name) => exists(fileOf(name)),
    putPointer: (path, text) => putPointer(folder, path, text),
    getPointer: (path) => getPointer(folder, path),
  };
}

/** A pointer path is `pointer/<kind>/<name>` of harmless characters only. */
export function isPointerPath(path: string): boolean {
  return /^pointer\/[a-z-]{1,40}\/[0-9a-f-]{1,140}$/.test(path);
}

async function putObject(input: {
  folder: string;
  file: string;
  name: ContentName;
  bytes: AsyncIterable<Uint8Array>;
}): Promise<boolean> {
  const { folder, file, name, bytes } = input;
  const fresh = join(folder, "incoming", randomBytes(12).toString("hex"));
  try {
    await writeVerified(fresh, name, bytes);
    await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
    const isNew = await linkIfMissing(fresh, file);
    await syncFolder(join(file, ".."));
    return isNew;
  } catch (error) {
    throw asContentError(error);
  } finally {
    rmSync(fresh, { force: true });
  }
}

async function writeVerified(
  fresh: string,
  name: ContentName,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const digest = createHash("sha256");
  const handle = await open(fresh, "wx", 0o600);
  try {
    let sizeBytes = 0;
    for await (const piece of bytes) {
      sizeBytes += piece.length;
      if (sizeBytes > objectBytesMax)
        throw new ContentError(
          "content-too-large",
          `an object may hold at most ${objectBytesMax} bytes`,
        );
      digest.update(piece);
      await writeAll(handle, piece);
    }
    const found = digest.digest("hex");
    if (found !== name.digest)
      throw new ContentError(
        "content-digest-mismatch",
        `the bytes have the digest ${found}, not ${name.digest}`,
      );
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, piece: Uint8Array): Promise<void> {
  let done = 0;
  while (done < piece.length) {
    const { bytesWritten } = await handle.write(piece, done);
    done += bytesWritten;
  }
}

/** Of two simultaneous puts of one object the first link wins; both hold the same bytes. */
async function linkIfMissing(fresh: string, file: string): Promise<boolean> {
  try {
    await link(fresh, file);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function putPointer(folder: string, path: string, text: string): Promise<void> {
  const file = pointerFile(folder, path);
  const fresh = join(folder, "incoming", randomBytes(12).toString("hex"));
  try {
    const handle = await open(fresh, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
    await rename(fresh, file);
    await syncFolder(join(file, ".."));
  } catch (error) {
    throw asContentError(error);
  } finally {
    rmSync(fresh, { force: true });
  }
}

async function getPointer(folder: string, path: string): Promise<string | undefined> {
  const file = pointerFile(folder, path);
  const handle = await open(file, "r").catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

function pointerFile(folder: string, path: string): string {
  if (!isPointerPath(path))
    throw new ContentError("content-store-failed", "this is not the path of a pointer");
  return join(folder, path);
}

function readFile(
  file: string,
  range?: { start: number; end: number },
): ReadableStream<Uint8Array> {
  const stream = createReadStream(file, { ...range, highWaterMark: 256 * 1024 });
  const iterator = stream[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value as Uint8Array);
      },
      cancel: () => void stream.destroy(),
    },
    { highWaterMark: 0 },
  );
}

async function statIfThere(file: string): Promise<{ size: number } | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

const exists = async (file: string): Promise<boolean> => (await statIfThere(file)) !== undefined;

function asContentError(error: unknown): ContentError {
  if (error instanceof ContentError) return error;
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT")
    return new ContentError("content-store-full", "the disk of the content store is full", {
      cause: error,
    });
  return new ContentError("content-store-failed", "storing an object failed", { cause: error });
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
