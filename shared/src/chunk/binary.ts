// Bounded reading and growing writing of little-endian binary formats. A reader never looks past
// its bytes and never allocates by a length it has not checked.

import { ChunkFormatError, formatRule } from "./errors.ts";

/** Reads fields in order; every method throws {@link ChunkFormatError} at the end of the bytes. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  /** `what` names the format in error messages, for example "chunk index". */
  constructor(bytes: Uint8Array, what: string) {
    // Never a subclass: Node's Buffer gives `slice` another meaning.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#at;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  /** 24 bits, low byte first. */
  u24(): number {
    const at = this.#advance(3);
    return this.#view.getUint16(at, true) + this.#view.getUint8(at + 2) * 0x1_0000;
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** A 64-bit length; refused above 2^53 - 1. */
  u64(): number {
    const at = this.#advance(8);
    const high = this.#view.getUint32(at + 4, true);
    formatRule(high < 0x20_0000, `the ${this.#what} holds a number above 2^53`);
    return high * 0x1_0000_0000 + this.#view.getUint32(at, true);
  }

  /** An unsigned LEB128 number below 2^32, in its shortest form. */
  varint(): number {
    let value = 0;
    for (let index = 0; index < 5; index += 1) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) {
        formatRule(
          value <= 0xffff_ffff && (byte > 0 || index === 0),
          `the ${this.#what} holds a number that is not in its shortest form`,
        );
        return value;
      }
    }
    throw new ChunkFormatError(`the ${this.#what} holds a number above 2^32`);
  }

  /** A view (not a copy) of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** Magic, version 1 and the reserved zero that start each of our formats. */
  preamble(magic: string): void {
    const found = String.fromCharCode(...this.bytes(4));
    formatRule(found === magic, `these bytes are not a ${this.#what}`);
    const version = this.u16();
    formatRule(version === 1, `the ${this.#what} has version ${version}; this program reads 1`);
    this.reserved();
  }

  /** Two bytes that must be zero in this version. */
  reserved(): void {
    formatRule(this.u16() === 0, `the ${this.#what} sets bits that are reserved`);
  }

  /** Refuses bytes after the end. */
  end(): void {
    formatRule(this.left === 0, `the ${this.#what} is followed by ${this.left} unexpected bytes`);
  }

  #advance(count: number): number {
    formatRule(count <= this.left, `the ${this.#what} ends too early`);
    const at = this.#at;
    this.#at += count;
    return at;
  }
}

/** Writes fields in order into a growing buffer. Values are the caller's and must fit. */
export class ByteWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u24(value: number): this {
    return this.u16(value & 0xffff).u8(value >>> 16);
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: number): this {
    return this.u32(value % 0x1_0000_0000).u32(Math.floor(value / 0x1_0000_0000));
  }

  varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.u8(rest);
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Magic, version 1, reserved zero. */
  preamble(magic: string): this {
    for (const letter of magic) this.u8(letter.charCodeAt(0));
    return this.u16(1).u16(0);
  }

  /** A copy of everything written. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** May replace the buffer, so call it before touching `#bytes` or `#view`. */
  #reserve(count: number): number {
    const at = this.#at;
    this.#at += count;
    if (this.#at > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
