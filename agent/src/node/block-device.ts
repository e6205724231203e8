// A whole disk (or a plain file in tests) as the disk code wants it. Reads and writes are complete or
// they throw; `sync` makes everything written so far durable.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename } from "node:path";
import type { BlockDisk } from "@drover/shared/disk/block-io";
import type { SectorBytes } from "@drover/shared/disk/layout";
import { FleetError } from "@drover/shared/errors";

export class BlockDeviceError extends FleetError {
  readonly code = "block-device-failed";
}

export interface BlockDevice extends BlockDisk {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sectorBytes: SectorBytes;
  /** Everything written so far is on the medium when it returns. */
  sync(): void;
  close(): void;
}

/** `durable`: every single write is on the medium when it returns (for the boot state). */
export function openBlockDevice(path: string, mode: { durable: boolean }): BlockDevice {
  const flags = constants.O_RDWR | (mode.durable ? constants.O_SYNC : 0);
  let descriptor: number;
  try {
    descriptor = openSync(path, flags);
  } catch (cause) {
    throw new BlockDeviceError(`opening ${path} failed`, { cause });
  }
  const shape = shapeOf(path, descriptor);
  return {
    path,
    ...shape,
    read(offsetBytes, lengthBytes) {
      const bytes = new Uint8Array(lengthBytes);
      let done = 0;
      while (done < lengthBytes) {
        const count = readSync(descriptor, bytes, done, lengthBytes - done, offsetBytes + done);
        if (count === 0)
          throw new BlockDeviceError(`${path} ends before byte ${offsetBytes + lengthBytes}`);
        done += count;
      }
      return bytes;
    },
    write(offsetBytes, bytes) {
      if (offsetBytes < 0 || offsetBytes + bytes.length > shape.sizeBytes) {
        throw new BlockDeviceError(`bytes ${offsetBytes}+${bytes.length} lie outside ${path}`);
      }
      let done = 0;
      while (done < bytes.length) {
        done += writeSync(descriptor, bytes, done, bytes.length - done, offsetBytes + done);
      }
    },
    sync: () => fsyncSync(descriptor),
    close: () => closeSync(descriptor),
  };
}

function shapeOf(
  path: string,
  descriptor: number,
): { sizeBytes: number; sectorBytes: SectorBytes } {
  const stat = fstatSync(descriptor);
  if (!stat.isBlockDevice()) return { sizeBytes: stat.size, sectorBytes: 512 };
  const folder = `/sys/class/block/${basename(path)}`;
  // The kernel counts in 512-byte units here, whatever the disk's own sector.
  const sizeBytes = Number(readFileSync(`${folder}/size`, "utf8")) * 512;
  const sector = Number(readFileSync(`${folder}/queue/logical_block_size`, "utf8"));
  if (sector !== 512 && sector !== 4096) {
    throw new BlockDeviceError(
      `${path} has sectors of ${sector} bytes; 512 and 4096 are supported`,
    );
  }
  return { sizeBytes, sectorBytes: sector };
}

/**
 * Forgets clean cached blocks, so that what is read next comes from the medium. Needs root; call it
 * after `sync`. Linux admin-guide/sysctl/vm, drop_caches.
 */
export function forgetCachedBlocks(): void {
  writeFileSync("/proc/sys/vm/drop_caches", "1");
}
