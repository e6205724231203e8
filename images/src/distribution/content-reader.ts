// Reads content back from a folder with the layout of content URLs, verifying everything on the way:
// the digest of each object, the pages of an index, the header of a delta.

import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ChunkIndex } from "@drover/shared/chunk/chunk-index";
import {
  type ContentName,
  type ContentPointer,
  contentPath,
  deltaPointerPath,
  packTablePointerPath,
  parseContentPointer,
} from "@drover/shared/chunk/content-layout";
import { type Delta, deltaLimits } from "@drover/shared/chunk/delta";
import {
  parseDeltaHeader,
  parseDeltaPrefix,
  verifyDeltaHeaderFrame,
} from "@drover/shared/chunk/delta-codec";
import { sha256Hex } from "@drover/shared/chunk/digest";
import { ChunkDigestError } from "@drover/shared/chunk/errors";
import { decodeIndex, parseIndexHeader } from "@drover/shared/chunk/index-codec";
import { type PackTable, parsePackTable } from "@drover/shared/chunk/pack-table";
import { expand } from "./zstd.ts";

/** A folder of content. */
export class ContentReader {
  readonly #folder: string;
  readonly #onBytes: (bytes: number) => void;

  /** `onBytes` is told what each read would have cost over the wire. */
  constructor(folder: string, onBytes: (bytes: number) => void = () => {}) {
    this.#folder = folder;
    this.#onBytes = onBytes;
  }

  /** A whole small object. Throws {@link ChunkDigestError} when it holds other bytes than named. */
  async object(name: ContentName): Promise<Uint8Array> {
    const bytes = await readFile(join(this.#folder, contentPath(name)));
    this.#onBytes(bytes.length);
    if (sha256Hex(bytes) !== name.digest) {
      throw new ChunkDigestError(`${contentPath(name)} has other bytes than named`);
    }
    return bytes;
  }

  /** `sizeBytes` bytes of an object, unverified, in pieces of at most 1 MiB. */
  async *range(name: ContentName, offset: number, sizeBytes: number): AsyncGenerator<Uint8Array> {
    const handle = await open(join(this.#folder, contentPath(name)), "r");
    try {
      const end = offset + sizeBytes;
      for (let at = offset; at < end; ) {
        const piece = new Uint8Array(Math.min(end - at, 1024 * 1024));
        const { bytesRead } = await handle.read(piece, 0, piece.length, at);
        if (bytesRead === 0) return;
        this.#onBytes(bytesRead);
        yield piece.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }

  /** The index with this root, all pages verified. */
  async index(root: string): Promise<ChunkIndex> {
    const header = parseIndexHeader(await this.object({ kind: "index", digest: root }));
    const pages: Uint8Array[] = [];
    for (const digest of header.pageDigests) {
      pages.push(await this.object({ kind: "index-page", digest }));
    }
    return decodeIndex(header, pages);
  }

  /** The current pack table of an index. */
  async packTable(indexRoot: string): Promise<PackTable> {
    const { digest } = await this.#pointer(packTablePointerPath(indexRoot));
    return parsePackTable(await this.object({ kind: "pack-table", digest }));
  }

  /** The delta from `base` to the index with root `newRoot`, and the object that holds its frames. */
  async delta(
    base: ChunkIndex,
    newRoot: string,
  ): Promise<{ readonly delta: Delta; readonly pointer: ContentPointer }> {
    const pointer = await this.#pointer(deltaPointerPath(base.root, newRoot));
    const name = { kind: "delta", digest: pointer.digest } as const;
    const prefix = parseDeltaPrefix(await this.#bytes(name, 0, deltaLimits.prefixBytes));
    const frame = await this.#bytes(name, deltaLimits.prefixBytes, prefix.headerFrameBytes);
    verifyDeltaHeaderFrame(prefix, frame);
    const header = await expand(frame, prefix.headerBytes);
    return { delta: parseDeltaHeader({ header, prefix, base, newRoot }), pointer };
  }

  async #pointer(path: string): Promise<ContentPointer> {
    const bytes = await readFile(join(this.#folder, path));
    this.#onBytes(bytes.length);
    return parseContentPointer(bytes.toString("utf8"));
  }

  async #bytes(name: ContentName, offset: number, sizeBytes: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.range(name, offset, sizeBytes)) pieces.push(piece);
    return Buffer.concat(pieces);
  }
}
