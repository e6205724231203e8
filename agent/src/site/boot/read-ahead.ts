// Reads a boot file in large pieces for a consumer that wants small ones in order, so that a TFTP block
// seldom waits for the disk. Holds one piece.
import type { BootFile } from "./ports.ts";

const pieceBytes = 64 * 1024;

export class ReadAhead {
  readonly #file: BootFile;
  #start = 0;
  #piece: Uint8Array = new Uint8Array();

  constructor(file: BootFile) {
    this.#file = file;
  }

  /** The bytes from `offset`, fewer only at the end of the file. Valid until the next read. */
  async read(offset: number, lengthBytes: number): Promise<Uint8Array> {
    const end = offset + lengthBytes;
    if (offset < this.#start || end > this.#start + this.#piece.length) {
      this.#piece = await this.#file.read(offset, Math.max(pieceBytes, lengthBytes));
      this.#start = offset;
    }
    return this.#piece.subarray(offset - this.#start, end - this.#start);
  }
}
