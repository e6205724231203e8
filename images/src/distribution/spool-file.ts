// A scratch file that grows piece by piece while its SHA-256 is computed, so that large objects are
// named without being read again. It is removed when it is discarded, whatever happened.

import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";

/** A finished spool: its digest (hex) and length. */
export interface SpooledObject {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

export class SpoolFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash("sha256");
  #sizeBytes = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Creates an empty spool in `folder`, which must exist. */
  static async create(folder: string): Promise<SpoolFile> {
    const path = join(folder, `${randomUUID()}.spool`);
    return new SpoolFile(path, await open(path, "wx+", 0o600));
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Appends and returns where the bytes start. */
  async append(bytes: Uint8Array): Promise<number> {
    const offset = this.#sizeBytes;
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(
        bytes,
        done,
        bytes.length - done,
        offset + done,
      );
      done += bytesWritten;
    }
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.length;
    return offset;
  }

  /** Everything appended so far, in pieces of 1 MiB. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    const piece = new Uint8Array(1024 * 1024);
    let at = 0;
    while (at < this.#sizeBytes) {
      const { bytesRead } = await this.#handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  /** Names the object; nothing may be appended after. The file stays until `discard`. */
  finish(): SpooledObject {
    return { path: this.#path, digest: this.#hash.digest("hex"), sizeBytes: this.#sizeBytes };
  }

  /** Closes and removes the file. */
  async discard(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}
