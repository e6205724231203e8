// Sizes, numbers and the directory packing of EROFS (kernel fs/erofs/erofs_fs.h), as far as our
// images use it: 4 KiB blocks, compact inodes, no compression, no extended attributes.
import { FleetError } from "@drover/shared/errors";

export const BLOCK_BYTES = 4096;
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 128;
/** Inodes live in 32-byte slots; the number of an inode is its offset in slots. */
export const SLOT_BYTES = 32;
export const DIRENT_BYTES = 12;

/** Inline data must end within the block its inode starts in. */
export const INLINE_BYTES_MAX = BLOCK_BYTES - SLOT_BYTES;

/** Directory entry types, equal to the kernel's FT_*. */
export const FILE_TYPE = { file: 1, directory: 2, symlink: 7 } as const;

/** The tree holds something that this file system writer does not express. */
export class ErofsError extends FleetError {
  readonly code = "erofs-unsupported";
}

/** Rounds up to whole blocks. */
export function blocksOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES);
}

/** One name of a directory; its inode number is known only once all sizes are. */
export interface Dirent {
  readonly name: Uint8Array;
  readonly fileType: number;
  readonly nodeNumber: () => number;
}

/** A directory's names cut into blocks, each entry with its name inside one block. */
export function packDirents(dirents: readonly Dirent[]): Dirent[][] {
  const blocks: Dirent[][] = [];
  let current: Dirent[] = [];
  let usedBytes = 0;
  for (const dirent of dirents) {
    const needBytes = DIRENT_BYTES + dirent.name.length;
    if (dirent.name.length === 0 || dirent.name.length > 255) {
      throw new ErofsError(`a name of ${dirent.name.length} bytes cannot be stored`);
    }
    if (usedBytes + needBytes > BLOCK_BYTES) {
      blocks.push(current);
      current = [];
      usedBytes = 0;
    }
    current.push(dirent);
    usedBytes += needBytes;
  }
  blocks.push(current);
  return blocks;
}

function usedBytesOf(block: readonly Dirent[]): number {
  return block.reduce((sum, dirent) => sum + DIRENT_BYTES + dirent.name.length, 0);
}

/** The size of a directory as its inode states it: full blocks and the used part of the last. */
export function directorySizeBytes(blocks: readonly (readonly Dirent[])[]): number {
  return (blocks.length - 1) * BLOCK_BYTES + usedBytesOf(blocks.at(-1) ?? []);
}

/** Writes one block of a directory at `offset`; entries first, then their names without terminator. */
export function writeDirents(block: readonly Dirent[], into: DataView, offset: number): void {
  let nameOffset = block.length * DIRENT_BYTES;
  block.forEach((dirent, index) => {
    const at = offset + index * DIRENT_BYTES;
    into.setBigUint64(at, BigInt(dirent.nodeNumber()), true);
    into.setUint16(at + 8, nameOffset, true);
    into.setUint8(at + 10, dirent.fileType);
    dirent.name.forEach((byte, i) => {
      into.setUint8(offset + nameOffset + i, byte);
    });
    nameOffset += dirent.name.length;
  });
}
