// SHA-256 over chunks and content objects, in the two forms used here: 32 raw bytes inside binary
// formats, 64 lower-case hex digits in names and maps.

import { hash } from "node:crypto";
import { ChunkFormatError } from "./errors.ts";

/** Length of a raw SHA-256, in bytes. */
export const digestBytes = 32;

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** SHA-256 of `bytes` as 32 raw bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", bytes, "buffer"));
}

/** SHA-256 of `bytes` as 64 lower-case hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** Bytes as lower-case hex digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexOfByte[byte];
  return text;
}

/** True for 64 lower-case hex digits. */
export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** The 32 raw bytes of a digest written as hex. Throws {@link ChunkFormatError} on anything else. */
export function digestFromHex(text: string): Uint8Array {
  if (!isDigest(text)) throw new ChunkFormatError("a digest must be 64 lower-case hex digits");
  const bytes = new Uint8Array(digestBytes);
  for (let i = 0; i < digestBytes; i += 1) {
    bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  }
  return bytes;
}

/** True when both arrays hold the same bytes. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i += 1) if (left[i] !== right[i]) return false;
  return true;
}
