// The reserved sectors at the start of a FAT file system: boot sector with its parameter block,
// FAT32's FSInfo and the backups of both (Microsoft FAT specification 1.03).

import { latin1Bytes, viewOf } from "./bytes.ts";
import { areasOf, type FatGeometry } from "./fat-geometry.ts";

export interface VolumeNames {
  readonly volumeId: number;
  readonly label: string;
  readonly hiddenSectors?: number;
}

/** The whole reserved region; `usedClusters` feeds FSInfo's free count. */
export function bootRegion(
  geometry: FatGeometry,
  names: VolumeNames,
  usedClusters: number,
): Uint8Array {
  const { fatOffset } = areasOf(geometry);
  const region = new Uint8Array(fatOffset);
  const boot = bootSector(geometry, names);
  region.set(boot);
  if (geometry.type === "fat16") return region;
  const info = fsInfo(geometry, usedClusters);
  const sector = geometry.sectorBytes;
  region.set(info, sector);
  region.set(boot, 6 * sector);
  region.set(info, 7 * sector);
  return region;
}

function bootSector(geometry: FatGeometry, names: VolumeNames): Uint8Array {
  const wide = geometry.type === "fat32";
  const bytes = new Uint8Array(geometry.sectorBytes);
  const view = viewOf(bytes);
  // A jump over the parameter block to an endless loop: nobody boots from here.
  bytes.set(wide ? [0xeb, 0x58, 0x90] : [0xeb, 0x3c, 0x90]);
  bytes.set([0xeb, 0xfe], wide ? 0x5a : 0x3e);
  bytes.set(latin1Bytes("DROVER  "), 3);
  view.setUint16(11, geometry.sectorBytes, true);
  bytes[13] = geometry.clusterSectors;
  view.setUint16(14, geometry.reservedSectors, true);
  bytes[16] = 2;
  view.setUint16(17, geometry.rootEntries, true);
  const small = !wide && geometry.totalSectors < 0x1_0000;
  view.setUint16(19, small ? geometry.totalSectors : 0, true);
  bytes[21] = 0xf8;
  view.setUint16(22, wide ? 0 : geometry.fatSectors, true);
  view.setUint16(24, 63, true);
  view.setUint16(26, 255, true);
  view.setUint32(28, names.hiddenSectors ?? 0, true);
  view.setUint32(32, small ? 0 : geometry.totalSectors, true);
  if (wide) {
    view.setUint32(36, geometry.fatSectors, true);
    view.setUint32(44, 2, true);
    view.setUint16(48, 1, true);
    view.setUint16(50, 6, true);
  }
  const tail = wide ? 64 : 36;
  bytes[tail] = 0x80;
  bytes[tail + 2] = 0x29;
  view.setUint32(tail + 3, names.volumeId >>> 0, true);
  bytes.set(latin1Bytes(names.label.padEnd(11)), tail + 7);
  bytes.set(latin1Bytes(wide ? "FAT32   " : "FAT16   "), tail + 18);
  view.setUint16(510, 0xaa55, true);
  return bytes;
}

function fsInfo(geometry: FatGeometry, usedClusters: number): Uint8Array {
  const bytes = new Uint8Array(geometry.sectorBytes);
  const view = viewOf(bytes);
  view.setUint32(0, 0x4161_5252, true);
  view.setUint32(484, 0x6141_7272, true);
  view.setUint32(488, geometry.clusters - usedClusters, true);
  view.setUint32(492, usedClusters + 2, true);
  view.setUint32(508, 0xaa55_0000, true);
  return bytes;
}
