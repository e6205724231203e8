// How the disk code reaches a disk: two synchronous ports that an open file, a disk or plain
// memory can implement. A short read or a write past the end is an error, never a partial result.

import type { Extent } from "./bytes.ts";

/** Reads exactly `lengthBytes` at `offsetBytes`, or throws. */
export interface BlockSource {
  read(offsetBytes: number, lengthBytes: number): Uint8Array;
}

/** Writes all of `bytes` at `offsetBytes`, durably enough for its user, or throws. */
export interface BlockSink {
  write(offsetBytes: number, bytes: Uint8Array): void;
}

export interface BlockDisk extends BlockSource, BlockSink {}

/** A disk in memory: for building small images and for tests. Starts as zeros. */
export function memoryDisk(sizeBytes: number): BlockDisk & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(sizeBytes);
  const check = (offsetBytes: number, lengthBytes: number): void => {
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > sizeBytes) {
      throw new RangeError(`bytes ${offsetBytes}+${lengthBytes} lie outside ${sizeBytes}`);
    }
  };
  return {
    bytes,
    read(offsetBytes, lengthBytes) {
      check(offsetBytes, lengthBytes);
      return bytes.slice(offsetBytes, offsetBytes + lengthBytes);
    },
    write(offsetBytes, part) {
      check(offsetBytes, part.length);
      bytes.set(part, offsetBytes);
    },
  };
}

/** The part of `disk` that starts at `baseBytes`: a partition seen as a disk of its own. */
export function partOfDisk(disk: BlockDisk, baseBytes: number, sizeBytes: number): BlockDisk {
  const check = (offsetBytes: number, lengthBytes: number): void => {
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > sizeBytes) {
      throw new RangeError(`bytes ${offsetBytes}+${lengthBytes} lie outside the part`);
    }
  };
  return {
    read(offsetBytes, lengthBytes) {
      check(offsetBytes, lengthBytes);
      return disk.read(baseBytes + offsetBytes, lengthBytes);
    },
    write(offsetBytes, bytes) {
      check(offsetBytes, bytes.length);
      disk.write(baseBytes + offsetBytes, bytes);
    },
  };
}

/** Writes every extent, shifted by `baseBytes`. */
export function writeExtents(sink: BlockSink, extents: readonly Extent[], baseBytes = 0): void {
  for (const extent of extents) sink.write(baseBytes + extent.offsetBytes, extent.bytes);
}
