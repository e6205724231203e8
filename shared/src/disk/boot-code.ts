// Puts GRUB's BIOS loader (i386-pc) on a disk without grub-install: where the first-stage sector
// finds the core image, and the core image its own rest. 512-byte sectors only, as BIOS demands.

import { viewOf } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";

/** Bytes of the MBR that are boot code; the disk signature and the partition table follow. */
export const bootCodeBytes = 440;
const sectorBytes = 512;
const kernelSectorAt = 0x5c;
const driveCheckAt = 0x66;
const blocklistAt = 0x1f4;
const loadSegment = 0x820;

/** Which half of the `bios` partition holds a core image; the other is free for a loader update. */
export type CorePlace = 0 | 1;

export interface BootCode {
  /** The first 440 bytes of the disk; the rest of the MBR stays as it is. */
  readonly mbr: Uint8Array;
  /** The core image with its blocklist; goes to `coreOffsetBytes`. */
  readonly core: Uint8Array;
  readonly coreOffsetBytes: number;
}

export interface BootCodeRequest {
  /** `boot.img`, 512 bytes. */
  readonly bootImage: Uint8Array;
  /** `core.img` as `grub-mkimage -O i386-pc` writes it. */
  readonly coreImage: Uint8Array;
  readonly biosPartition: { readonly offsetBytes: number; readonly sizeBytes: number };
  readonly place?: CorePlace;
}

/**
 * Patches both images for their place. Throws {@link DiskInputError} when they are not what they
 * claim to be or the core image does not fit its half. Formats: GRUB 2.06 boot/i386/pc/boot.S
 * (kernel sector at 0x5c) and diskboot.S (blocklist {u64 sector, u16 sectors, u16 segment} at 0x1f4).
 */
export function placeBootCode(request: BootCodeRequest): BootCode {
  const { bootImage, coreImage, biosPartition } = request;
  if (bootImage.length !== sectorBytes || viewOf(bootImage).getUint16(510, true) !== 0xaa55) {
    throw new DiskInputError("boot.img is not one signed sector");
  }
  if (coreImage.length <= sectorBytes) throw new DiskInputError("core.img is too short");
  if (viewOf(coreImage).getUint16(blocklistAt + 10, true) !== loadSegment) {
    throw new DiskInputError("core.img does not start with GRUB's disk loader");
  }
  const halfBytes = biosPartition.sizeBytes / 2;
  if (coreImage.length > halfBytes) {
    throw new DiskInputError(
      `core.img has ${coreImage.length} bytes, half of the bios partition ${halfBytes}`,
    );
  }
  const coreOffsetBytes = biosPartition.offsetBytes + (request.place ?? 0) * halfBytes;
  const mbr = bootImage.slice(0, bootCodeBytes);
  const core = coreImage.slice();
  const firstSector = BigInt(coreOffsetBytes / sectorBytes);
  viewOf(mbr).setBigUint64(kernelSectorAt, firstSector, true);
  // Two NOPs instead of the jump over the check that corrects a nonsense boot drive number.
  viewOf(mbr).setUint16(driveCheckAt, 0x9090, true);
  viewOf(core).setBigUint64(blocklistAt, firstSector + 1n, true);
  viewOf(core).setUint16(blocklistAt + 8, Math.ceil(coreImage.length / sectorBytes) - 1, true);
  return { mbr, core, coreOffsetBytes };
}
