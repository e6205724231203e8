// The EROFS superblock: 128 bytes at offset 1024 of the first block, guarded by a CRC-32C.
import { BLOCK_BYTES, SUPERBLOCK_OFFSET } from "./layout.ts";

const MAGIC = 0xe0f5e1e2;
const COMPAT_CHECKSUM = 1;

/** What the superblock states about the whole file system. */
export interface SuperblockFacts {
  readonly rootNodeNumber: number;
  readonly inodeCount: number;
  readonly blockCount: number;
  /** Epoch seconds; compact inodes have no time of their own, so every file shows this one. */
  readonly builtAtSeconds: number;
  readonly uuid: Uint8Array;
}

/** CRC-32C (Castagnoli), reflected, started with all ones and not inverted, as the kernel's crc32c(). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return crc >>> 0;
}

/** Writes the superblock into the first block, whose inodes must already be in place. */
export function writeSuperblock(firstBlock: Uint8Array, facts: SuperblockFacts): void {
  const view = new DataView(firstBlock.buffer, firstBlock.byteOffset + SUPERBLOCK_OFFSET);
  view.setUint32(0, MAGIC, true);
  view.setUint32(8, COMPAT_CHECKSUM, true);
  view.setUint8(12, Math.log2(BLOCK_BYTES));
  view.setUint16(14, facts.rootNodeNumber, true);
  view.setBigUint64(16, BigInt(facts.inodeCount), true);
  view.setBigUint64(24, BigInt(facts.builtAtSeconds), true);
  view.setUint32(36, facts.blockCount, true);
  // Metadata starts at block 0: inode numbers count from the start of the file system.
  view.setUint32(40, 0, true);
  firstBlock.set(facts.uuid.subarray(0, 16), SUPERBLOCK_OFFSET + 48);
  // The checksum covers the rest of the first block with its own field zero.
  view.setUint32(4, crc32c(firstBlock.subarray(SUPERBLOCK_OFFSET, BLOCK_BYTES)), true);
}
