// Chooses how a FAT file system of a given size is divided. FAT32 with the largest cluster up to
// 4 KiB that keeps it legal; FAT16 only where no cluster size makes FAT32 legal.

import { roundUp } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";
import type { SectorBytes } from "./layout.ts";

export interface FatGeometry {
  readonly type: "fat16" | "fat32";
  readonly sectorBytes: SectorBytes;
  readonly totalSectors: number;
  readonly clusterSectors: number;
  readonly reservedSectors: number;
  readonly fatSectors: number;
  /** Fixed root directory of FAT16; 0 on FAT32. */
  readonly rootEntries: number;
  readonly clusters: number;
}

/** Fewest clusters of FAT16 and of FAT32 (Microsoft FAT specification 1.03, "FAT type determination"). */
const fat16Min = 4085;
const fat32Min = 65_525;
// The specification advises to stay away from the exact limits: readers disagree by a few.
const margin = 32;
const fat16RootEntries = 512;
const clusterMaxBytes = 4096;

/** Throws {@link DiskInputError} when the size is no whole number of sectors or too small for FAT16. */
export function chooseGeometry(sizeBytes: number, sectorBytes: SectorBytes): FatGeometry {
  if (sizeBytes % sectorBytes !== 0 || sizeBytes <= 0) {
    throw new DiskInputError(`${sizeBytes} bytes are not a whole number of sectors`);
  }
  const totalSectors = sizeBytes / sectorBytes;
  if (totalSectors > 0xffff_ffff)
    throw new DiskInputError("too many sectors for a FAT file system");
  for (let cluster = clusterMaxBytes; cluster >= sectorBytes; cluster /= 2) {
    const geometry = divide("fat32", totalSectors, sectorBytes, cluster / sectorBytes);
    if (geometry.clusters >= fat32Min + margin) return geometry;
  }
  for (let cluster = sectorBytes; cluster <= 32_768; cluster *= 2) {
    const geometry = divide("fat16", totalSectors, sectorBytes, cluster / sectorBytes);
    if (geometry.clusters < fat16Min + margin) break;
    if (geometry.clusters < fat32Min - margin) return geometry;
  }
  throw new DiskInputError(
    `${sizeBytes} bytes are too few for FAT with ${sectorBytes}-byte sectors`,
  );
}

/** Byte offset of the first FAT, the root directory area (FAT16) and the first cluster. */
export function areasOf(geometry: FatGeometry): {
  readonly fatOffset: number;
  readonly fatBytes: number;
  readonly rootOffset: number;
  readonly rootBytes: number;
  readonly dataOffset: number;
  readonly clusterBytes: number;
} {
  const fatOffset = geometry.reservedSectors * geometry.sectorBytes;
  const fatBytes = geometry.fatSectors * geometry.sectorBytes;
  const rootOffset = fatOffset + 2 * fatBytes;
  const rootBytes = geometry.rootEntries * 32;
  return {
    fatOffset,
    fatBytes,
    rootOffset,
    rootBytes,
    dataOffset: rootOffset + rootBytes,
    clusterBytes: geometry.clusterSectors * geometry.sectorBytes,
  };
}

function divide(
  type: FatGeometry["type"],
  totalSectors: number,
  sectorBytes: SectorBytes,
  clusterSectors: number,
): FatGeometry {
  const rootEntries = type === "fat16" ? fat16RootEntries : 0;
  const rootSectors = (rootEntries * 32) / sectorBytes;
  const entryBytes = type === "fat16" ? 2 : 4;
  const atMost = Math.floor(totalSectors / clusterSectors) + 2;
  const fatSectors = Math.ceil((atMost * entryBytes) / sectorBytes);
  // Clusters start on 4 KiB, so that one cluster never straddles two pages of flash.
  const pageSectors = Math.max(4096 / sectorBytes, clusterSectors);
  const reservedMin = type === "fat16" ? 1 : 32;
  const before = roundUp(reservedMin + 2 * fatSectors + rootSectors, pageSectors);
  return {
    type,
    sectorBytes,
    totalSectors,
    clusterSectors,
    reservedSectors: before - 2 * fatSectors - rootSectors,
    fatSectors,
    rootEntries,
    clusters: Math.floor((totalSectors - before) / clusterSectors),
  };
}
