// The artefacts of one image as plain expanded files in a folder, addressed by chunk. Writes go to a
// partial folder that takes its final name only when everything in it was verified.
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isChunk } from "@drover/shared/chunk/apply-run";
import {
  type ChunkIndex,
  chunkBytes,
  chunkId,
  locateChunk,
  runBytes,
} from "@drover/shared/chunk/chunk-index";
import { ChunkDigestError } from "@drover/shared/chunk/errors";
import {
  decodeIndex,
  encodeIndex,
  pageBytes,
  parseIndexHeader,
} from "@drover/shared/chunk/index-codec";
import type { Manifest } from "@drover/shared/image/manifest";

const readBytes = 1024 * 1024;

/** Open files of one image, whole or partial. Close it. */
export class ImageFiles {
  readonly index: ChunkIndex;
  readonly #folder: string;
  readonly #handles = new Map<string, FileHandle>();
  /** Used again for every read: fresh ones would pile up by the hundred megabytes until collected. */
  #buffer = new Uint8Array();

  private constructor(folder: string, index: ChunkIndex) {
    this.#folder = folder;
    this.index = index;
  }

  /** Opens a whole image for reading. */
  static async openWhole(folder: string, index: ChunkIndex): Promise<ImageFiles> {
    const files = new ImageFiles(folder, index);
    await files.#openAll("r");
    return files;
  }

  /** Opens a partial image for reading and writing; its files have their final size from the start. */
  static async openPartial(folder: string, index: ChunkIndex): Promise<ImageFiles> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const files = new ImageFiles(folder, index);
    await files.#openAll("a+").then(() => files.close());
    await files.#openAll("r+");
    for (const { name, sizeBytes } of index.artefacts)
      await files.#handle(name).truncate(sizeBytes);
    return files;
  }

  async #openAll(flags: string): Promise<void> {
    for (const { name } of this.index.artefacts)
      this.#handles.set(name, await open(join(this.#folder, name), flags, 0o600));
  }

  #handle(name: string): FileHandle {
    const handle = this.#handles.get(name);
    if (!handle) throw new ChunkDigestError(`the image has no artefact ${name}`);
    return handle;
  }

  /** Raw bytes of a run inside one artefact; shorter when the file is. Valid until the next read. */
  async read(first: number, count: number): Promise<Uint8Array> {
    const { artefact, offset } = locateChunk(this.index, first);
    const sizeBytes = runBytes(this.index, first, count);
    if (this.#buffer.length < sizeBytes) this.#buffer = new Uint8Array(sizeBytes);
    const { bytesRead } = await this.#handle(artefact.name).read(
      this.#buffer,
      0,
      sizeBytes,
      offset,
    );
    return this.#buffer.subarray(0, bytesRead);
  }

  async write(first: number, _count: number, bytes: Uint8Array): Promise<void> {
    const { artefact, offset } = locateChunk(this.index, first);
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle(artefact.name).write(
        bytes,
        done,
        bytes.length - done,
        offset + done,
      );
      done += bytesWritten;
    }
  }

  /** Numbers of the chunks whose bytes are right on disk: what never needs fetching again. */
  async rightChunks(): Promise<Set<number>> {
    const right = new Set<number>();
    for (let number = 0; number < this.index.count; number += 1) {
      const bytes = await this.read(number, 1);
      if (bytes.length === chunkBytes(this.index, number) && isChunk(this.index, number, bytes))
        right.add(number);
    }
    return right;
  }

  /** Makes everything durable; throws unless each artefact is what the manifest binds. */
  async seal(manifest: Manifest): Promise<void> {
    for (const [name, { sizeBytes, sha256 }] of Object.entries(manifest.artefacts)) {
      const handle = this.#handle(name);
      await handle.sync();
      const { size } = await handle.stat();
      if (size !== sizeBytes || (await digestOf(handle)) !== sha256)
        throw new ChunkDigestError(`artefact ${name} is not what its manifest binds`);
    }
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    for (const handle of handles) await handle.close();
  }
}

async function digestOf(handle: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(readBytes);
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** One file with header and pages: what a node needs to verify chunks. */
export function indexFileBytes(index: ChunkIndex): Uint8Array {
  const artefacts = index.artefacts.map(({ name, firstChunk, chunkCount }) => ({
    name,
    entries: Array.from({ length: chunkCount }, (_, i) => ({
      id: chunkId(index, firstChunk + i),
      lengthBytes: chunkBytes(index, firstChunk + i),
    })),
  }));
  const { chunker, entriesPerPage } = index;
  const encoded = encodeIndex({ chunker, artefacts, entriesPerPage });
  if (encoded.index.root !== index.root)
    throw new ChunkDigestError("writing a chunk index down again gave another root");
  return Buffer.concat([encoded.header, ...encoded.pages]);
}

/** Reads an index file strictly; throws unless its root is the one named. */
export function parseIndexFile(bytes: Uint8Array, root: string): ChunkIndex {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = bytes.length >= 12 ? view.getUint32(8, true) : 0;
  const header = parseIndexHeader(bytes.subarray(0, headerBytes));
  if (header.root !== root) throw new ChunkDigestError(`the index file has root ${header.root}`);
  let at = headerBytes;
  const pages = header.pageDigests.map((_, page) => {
    const sizeBytes = pageBytes(header, page);
    at += sizeBytes;
    return bytes.subarray(at - sizeBytes, at);
  });
  if (at !== bytes.length)
    throw new ChunkDigestError("the index file has another length than it says");
  return decodeIndex(header, pages);
}

/** Reads the index of a whole image in the cache. */
export async function readIndexFile(folder: string, root: string): Promise<ChunkIndex> {
  return parseIndexFile(await readFile(join(folder, "index")), root);
}

/** Gives a verified partial folder its final name, durably. */
export async function promoteFolder(partial: string, final: string): Promise<void> {
  await syncFolder(partial);
  await rm(final, { recursive: true, force: true });
  await rename(partial, final);
  await syncFolder(join(final, ".."));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
