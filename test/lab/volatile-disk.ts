// A disk with a volatile write cache, as drives have: what was not flushed when the power fails is kept
// or lost block by block, decided by a seed, so every cut can be replayed.
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { Random } from "@drover/shared/random";

const blockBytes = 4096;

export interface CutResult {
  readonly keptBlocks: number;
  readonly lostBlocks: number;
  /** Writes the disk had accepted before the cut. */
  readonly writes: number;
  readonly flushes: number;
}

export class VolatileDisk {
  readonly sizeBytes: number;
  writes = 0;
  flushes = 0;
  readonly #fd: number;
  readonly #cache = new Map<number, Uint8Array>();

  /** `path` is a raw file; its size is the disk's and must be a multiple of 4096. */
  constructor(path: string) {
    this.#fd = openSync(path, "r+");
    this.sizeBytes = fstatSync(this.#fd).size;
    if (this.sizeBytes % blockBytes !== 0)
      throw new Error(`${path} is not a multiple of 4096 bytes`);
  }

  read(offset: number, lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes);
    readSync(this.#fd, bytes, 0, lengthBytes, offset);
    const end = offset + lengthBytes;
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < end; block += 1) {
      const cached = this.#cache.get(block);
      if (cached === undefined) continue;
      const start = block * blockBytes;
      const from = Math.max(offset, start);
      bytes.set(
        cached.subarray(from - start, Math.min(end, start + blockBytes) - start),
        from - offset,
      );
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.writes += 1;
    for (let done = 0; done < bytes.length; ) {
      const block = Math.floor((offset + done) / blockBytes);
      const within = (offset + done) % blockBytes;
      const piece = bytes.subarray(done, done + blockBytes - within);
      const cached = this.#cache.get(block) ?? this.read(block * blockBytes, blockBytes);
      cached.set(piece, within);
      this.#cache.set(block, cached);
      done += piece.length;
    }
  }

  flush(): void {
    this.flushes += 1;
    for (const [block, bytes] of this.#cache) this.#store(block, bytes);
    this.#cache.clear();
  }

  /** The power fails: every block not flushed is kept or lost by a coin. The disk is closed. */
  cut(random: Random): CutResult {
    let keptBlocks = 0;
    const unflushed = this.#cache.size;
    for (const [block, bytes] of this.#cache) {
      if (!random.chance(0.5)) continue;
      this.#store(block, bytes);
      keptBlocks += 1;
    }
    this.#cache.clear();
    closeSync(this.#fd);
    const { writes, flushes } = this;
    return { keptBlocks, lostBlocks: unflushed - keptBlocks, writes, flushes };
  }

  /** An orderly end: everything reaches the file. */
  close(): void {
    this.flush();
    closeSync(this.#fd);
  }

  #store(block: number, bytes: Uint8Array): void {
    writeSync(this.#fd, bytes, 0, blockBytes, block * blockBytes);
  }
}
