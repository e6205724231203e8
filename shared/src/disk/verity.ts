// The dm-verity hash tree (format 1, SHA-256, 4096-byte blocks), without superblock: what
// `veritysetup format --no-superblock` computes. Data streams through; memory holds one block per
// level. The tree is computed where the data is written and never travels.

import { createHash } from "node:crypto";
import type { BlockSink } from "./block-io.ts";
import { bytesOfHex, hexOf, joinBytes } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";
import { mebibyte } from "./layout.ts";

export const verityBlockBytes = 4096;
const digestBytes = 32;
const perBlock = verityBlockBytes / digestBytes;

/** Blocks of each level of the tree, the root's level (one block) first, as they lie on the disk. */
export function verityLevels(dataBlocks: number): number[] {
  if (!Number.isSafeInteger(dataBlocks) || dataBlocks < 1) {
    throw new DiskInputError(`a verity tree needs data, not ${dataBlocks} blocks`);
  }
  const levels: number[] = [];
  for (let blocks = dataBlocks; blocks > 1; ) {
    blocks = Math.ceil(blocks / perBlock);
    levels.unshift(blocks);
  }
  return levels;
}

/** Bytes of the whole tree. */
export function verityTreeBytes(dataBlocks: number): number {
  return verityLevels(dataBlocks).reduce((sum, blocks) => sum + blocks, 0) * verityBlockBytes;
}

/**
 * Where the tree starts in a root partition: fixed by the partition's size alone, so that data may
 * grow up to there. Both figures in bytes, the offset on a MiB.
 */
export function verityPlacement(partitionBytes: number): {
  readonly hashOffsetBytes: number;
  readonly dataBytesMax: number;
} {
  let offset = Math.floor(partitionBytes / mebibyte) * mebibyte;
  while (offset > 0 && offset + verityTreeBytes(offset / verityBlockBytes) > partitionBytes) {
    offset -= mebibyte;
  }
  if (offset <= 0)
    throw new DiskInputError(`${partitionBytes} bytes are too few for data and tree`);
  return { hashOffsetBytes: offset, dataBytesMax: offset };
}

export interface VerityWriter {
  /** Takes the next data, a multiple of 4096 bytes, in order. */
  feed(data: Uint8Array): void;
  /** Writes what is left and returns the root hash in hex. Throws unless all data was fed. */
  finish(): string;
}

/**
 * Computes the tree of `dataBlocks` blocks while they pass, and writes its blocks to `tree`, whose
 * offset 0 is the start of the tree. Salt goes before the data (format 1).
 */
export function verityWriter(request: {
  readonly dataBlocks: number;
  readonly saltHex: string;
  readonly tree: BlockSink;
}): VerityWriter {
  const salt = bytesOfHex(request.saltHex);
  if (salt.length > 256) throw new DiskInputError("a verity salt has at most 256 bytes");
  const digest = (block: Uint8Array): Uint8Array =>
    createHash("sha256").update(salt).update(block).digest();
  // Bottom level first while computing; on the disk the top level comes first.
  const levels = levelsWithOffsets(request.dataBlocks);
  let root: Uint8Array | undefined;
  let fed = 0;

  const flush = (level: Level): void => {
    const block = joinBytes([...level.digests, new Uint8Array(verityBlockBytes)]);
    const whole = block.subarray(0, verityBlockBytes);
    request.tree.write(level.offsetBytes + level.written * verityBlockBytes, whole);
    level.written += 1;
    level.digests = [];
    push(level.above, digest(whole));
  };
  const push = (level: Level | undefined, hash: Uint8Array): void => {
    if (level === undefined) {
      root = hash;
      return;
    }
    level.digests.push(hash);
    if (level.digests.length === perBlock) flush(level);
  };

  return {
    feed(data) {
      if (data.length % verityBlockBytes !== 0) {
        throw new DiskInputError(`verity data comes in 4096-byte blocks, not ${data.length} bytes`);
      }
      fed += data.length / verityBlockBytes;
      if (fed > request.dataBlocks) throw new DiskInputError("more verity data than announced");
      for (let at = 0; at < data.length; at += verityBlockBytes) {
        push(levels[0], digest(data.subarray(at, at + verityBlockBytes)));
      }
    },
    finish() {
      if (fed !== request.dataBlocks) {
        throw new DiskInputError(`${fed} of ${request.dataBlocks} verity blocks were fed`);
      }
      for (const level of levels) if (level.digests.length > 0) flush(level);
      if (root === undefined) throw new DiskInputError("the verity tree has no root");
      return hexOf(root);
    },
  };
}

/**
 * The device-mapper table line (`dmsetup create --table`, Linux admin-guide/device-mapper/verity)
 * for data and tree in one partition. A damaged block makes the read fail; nothing is restarted.
 */
export function verityTable(request: {
  /** Partition as `/dev/…` or `major:minor`. */
  readonly partition: string;
  readonly dataBlocks: number;
  readonly hashStartBlock: number;
  readonly rootHash: string;
  readonly saltHex: string;
}): string {
  const { partition, dataBlocks, hashStartBlock, rootHash, saltHex } = request;
  const sectors = dataBlocks * (verityBlockBytes / 512);
  const sizes = `${verityBlockBytes} ${verityBlockBytes} ${dataBlocks} ${hashStartBlock}`;
  const salt = saltHex === "" ? "-" : saltHex;
  return `0 ${sectors} verity 1 ${partition} ${partition} ${sizes} sha256 ${rootHash} ${salt}`;
}

interface Level {
  readonly offsetBytes: number;
  readonly above: Level | undefined;
  digests: Uint8Array[];
  written: number;
}

function levelsWithOffsets(dataBlocks: number): Level[] {
  let offsetBytes = 0;
  let above: Level | undefined;
  const levels: Level[] = [];
  for (const blocks of verityLevels(dataBlocks)) {
    above = { offsetBytes, above, digests: [], written: 0 };
    levels.unshift(above);
    offsetBytes += blocks * verityBlockBytes;
  }
  return levels;
}
