// Writes a FAT16 or FAT32 file system from a list of files: the same arguments give the same bytes,
// and every file is contiguous, so that one of them may later be rewritten in place.

import { type Extent, joinBytes, latin1Bytes, viewOf } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";
import { areasOf, chooseGeometry, type FatGeometry } from "./fat-geometry.ts";
import { longNameEntries, shortNameBytes, shortNameChecksum } from "./fat-name.ts";
import { bootRegion } from "./fat-super.ts";
import { buildTree, childrenOf, type FatFile, type FatNode, nodesOf } from "./fat-tree.ts";
import type { SectorBytes } from "./layout.ts";

export interface FatRequest {
  readonly sizeBytes: number;
  readonly sectorBytes?: SectorBytes;
  /** 32 bits; tools show it as `XXXX-XXXX`. */
  readonly volumeId: number;
  /** Up to 11 characters, upper case. */
  readonly label: string;
  /** Time of every entry, epoch ms, read as UTC; clamped to what FAT can say (1980 to 2107). */
  readonly writtenAt: number;
  /** Sectors before the partition, for BIOS boot code that asks; 0 when unknown. */
  readonly hiddenSectors?: number;
  readonly files: readonly FatFile[];
}

export interface FatImage {
  readonly type: "fat16" | "fat32";
  readonly clusterBytes: number;
  /** All that must be written, in rising order; clusters outside the extents are free. */
  readonly extents: readonly Extent[];
  /** Where each file lies, relative to the start of the file system. */
  readonly files: readonly {
    readonly path: string;
    readonly offsetBytes: number;
    readonly sizeBytes: number;
  }[];
}

/** Lays out and encodes the file system. Throws {@link DiskInputError} when it does not fit. */
export function buildFat(request: FatRequest): FatImage {
  if (!/^[A-Z0-9_ -]{1,11}$/.test(request.label)) {
    throw new DiskInputError(`${JSON.stringify(request.label)} is no legal FAT label`);
  }
  const geometry = chooseGeometry(request.sizeBytes, request.sectorBytes ?? 512);
  const { clusterBytes, dataOffset, rootOffset } = areasOf(geometry);
  const nodes = nodesOf(buildTree(request.files));
  const usedClusters = allocate(nodes, geometry, clusterBytes);
  const stamp = dosTime(request.writtenAt);
  const offsetOf = (node: FatNode): number =>
    node.firstCluster === 0 ? rootOffset : dataOffset + (node.firstCluster - 2) * clusterBytes;
  const extents: Extent[] = [
    { offsetBytes: 0, bytes: bootRegion(geometry, request, usedClusters) },
    ...fatCopies(nodes, geometry),
  ];
  const files: { path: string; offsetBytes: number; sizeBytes: number }[] = [];
  for (const node of nodes) {
    const offsetBytes = offsetOf(node);
    if (node.bytes === undefined) {
      const size = directorySize(node, geometry, clusterBytes);
      const bytes = new Uint8Array(size);
      bytes.set(encodeDirectory(node, request.label, stamp));
      extents.push({ offsetBytes, bytes });
      continue;
    }
    const sizeBytes = node.bytes.length;
    files.push({ path: node.path, offsetBytes, sizeBytes });
    if (sizeBytes === 0) continue;
    extents.push({ offsetBytes, bytes: node.bytes });
    const slackBytes = node.clusterCount * clusterBytes - sizeBytes;
    if (slackBytes > 0) {
      extents.push({ offsetBytes: offsetBytes + sizeBytes, bytes: new Uint8Array(slackBytes) });
    }
  }
  return { type: geometry.type, clusterBytes, extents, files };
}

function allocate(nodes: readonly FatNode[], geometry: FatGeometry, clusterBytes: number): number {
  let next = 2;
  for (const node of nodes) {
    const size = node.bytes?.length ?? directorySize(node, geometry, clusterBytes);
    const inRootArea = node.parent === undefined && geometry.type === "fat16";
    node.clusterCount = inRootArea ? 0 : Math.ceil(size / clusterBytes);
    node.firstCluster = node.clusterCount === 0 ? 0 : next;
    next += node.clusterCount;
  }
  const used = next - 2;
  if (used > geometry.clusters) {
    const needed = used * clusterBytes;
    const room = geometry.clusters * clusterBytes;
    throw new DiskInputError(
      `the files need ${needed} bytes, the file system has room for ${room}`,
    );
  }
  return used;
}

function directorySize(node: FatNode, geometry: FatGeometry, clusterBytes: number): number {
  const entries = encodeDirectory(node, "", { date: 0, time: 0 }).length;
  if (node.parent !== undefined || geometry.type === "fat32") {
    return Math.max(1, Math.ceil(entries / clusterBytes)) * clusterBytes;
  }
  const { rootBytes } = areasOf(geometry);
  if (entries > rootBytes) throw new DiskInputError("too many entries in the root directory");
  return rootBytes;
}

interface DosTime {
  readonly date: number;
  readonly time: number;
}

function dosTime(epochMs: number): DosTime {
  const earliest = Date.UTC(1980, 0, 1);
  const latest = Date.UTC(2107, 11, 31);
  const at = new Date(Math.min(Math.max(epochMs, earliest), latest));
  const day = ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  return { date: day, time };
}

function encodeDirectory(directory: FatNode, label: string, stamp: DosTime): Uint8Array {
  const parts: Uint8Array[] = [];
  if (directory.parent === undefined) {
    parts.push(entry(latin1Bytes(label.padEnd(11)), 0x08, 0, 0, stamp));
  } else {
    // `..` to the root says cluster 0 even on FAT32.
    const up = directory.parent.parent === undefined ? 0 : directory.parent.firstCluster;
    parts.push(entry(latin1Bytes(".".padEnd(11)), 0x10, directory.firstCluster, 0, stamp));
    parts.push(entry(latin1Bytes("..".padEnd(11)), 0x10, up, 0, stamp));
  }
  for (const child of childrenOf(directory)) {
    const short = shortNameBytes(child.shortName);
    if (child.shortName !== child.name) {
      parts.push(longNameEntries(child.name, shortNameChecksum(short)));
    }
    const attribute = child.bytes === undefined ? 0x10 : 0x20;
    parts.push(entry(short, attribute, child.firstCluster, child.bytes?.length ?? 0, stamp));
  }
  return joinBytes(parts);
}

function entry(
  name: Uint8Array,
  attribute: number,
  cluster: number,
  sizeBytes: number,
  stamp: DosTime,
): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = viewOf(bytes);
  bytes.set(name);
  bytes[11] = attribute;
  view.setUint16(14, stamp.time, true);
  view.setUint16(16, stamp.date, true);
  view.setUint16(18, stamp.date, true);
  view.setUint16(20, cluster >>> 16, true);
  view.setUint16(22, stamp.time, true);
  view.setUint16(24, stamp.date, true);
  view.setUint16(26, cluster & 0xffff, true);
  view.setUint32(28, sizeBytes, true);
  return bytes;
}

function fatCopies(nodes: readonly FatNode[], geometry: FatGeometry): Extent[] {
  const { fatOffset, fatBytes } = areasOf(geometry);
  const fat = new Uint8Array(fatBytes);
  const view = viewOf(fat);
  const wide = geometry.type === "fat32";
  const end = wide ? 0x0fff_ffff : 0xffff;
  const set = (cluster: number, value: number): void =>
    wide ? view.setUint32(cluster * 4, value, true) : view.setUint16(cluster * 2, value, true);
  set(0, wide ? 0x0fff_fff8 : 0xfff8);
  set(1, end);
  for (const node of nodes) {
    const last = node.firstCluster + node.clusterCount - 1;
    for (let c = node.firstCluster; c < last; c += 1) set(c, c + 1);
    if (node.clusterCount > 0) set(last, end);
  }
  return [
    { offsetBytes: fatOffset, bytes: fat },
    { offsetBytes: fatOffset + fatBytes, bytes: fat },
  ];
}
