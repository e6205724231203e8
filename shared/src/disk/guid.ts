// GUIDs as GPT stores them: the first three groups little-endian, the rest as written
// (UEFI 2.10 appendix A). Text form is always lower case.

import { createHash } from "node:crypto";
import { bytesOfHex, hexOf } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
// Position of each stored byte in the text order; the mapping is its own inverse.
const storedOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** The 16 stored bytes. Throws {@link DiskInputError} unless `guid` is lower-case canonical text. */
export function guidBytes(guid: string): Uint8Array {
  if (!pattern.test(guid)) throw new DiskInputError(`${JSON.stringify(guid)} is not a GUID`);
  return reorder(bytesOfHex(guid.replaceAll("-", "")));
}

/** Canonical text of 16 stored bytes. */
export function guidText(stored: Uint8Array): string {
  return canonical(hexOf(reorder(stored)));
}

/**
 * A partition's unique GUID, derived from its disk's, so that one random number per disk is enough
 * and an installation can be repeated byte for byte. RFC 9562 §5.8 (version 8) over SHA-256.
 */
export function partitionGuid(diskGuid: string, partitionName: string): string {
  const hash = createHash("sha256").update(guidBytes(diskGuid)).update(partitionName).digest();
  const bytes = Uint8Array.from(hash.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return canonical(hexOf(bytes));
}

function canonical(hex: string): string {
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

function reorder(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(storedOrder, (from) => bytes[from] ?? 0);
}
