// Reads a boot file in large pieces for a consumer that wants small ones in order, so that a TFTP block
// seldom waits for the disk. Holds one piece.
import type { BootFile } from "./ports.ts";

const pieceBytes = 64 * 1024;

export class ReadAhead {
  readonly #file: BootFile;
  #buffer = new Uint8Array();
  #start = 0;
  #filledBytes = 0;

  constructor(file: BootFile) {
    this.#file = file;
  }

  /** The bytes from `offset`, fewer only at the end of the file. Valid until the next read. */
  async read(offset: number, lengthBytes: number): Promise<Uint8Array> {
    const end = offset + lengthBytes;
    if (offset < this.#start || end > this.#start + this.#filledBytes) {
      if (this.#buffer.length < lengthBytes || this.#buffer.length === 0)
        this.#buffer = new Uint8Array(Math.max(pieceBytes, lengthBytes));
      this.#filledBytes = await this.#file.readInto(this.#buffer, offset);
      this.#start = offset;
    }
    return this.#buffer.subarray(
      offset - this.#start,
      Math.min(end - this.#start, this.#filledBytes),
    );
  }
}
