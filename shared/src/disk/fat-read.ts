// Reads FAT16 and FAT32 file systems without mounting them: lists and reads files and says where a
// file lies. Everything read from the disk is bounded: a damaged FAT gives an error, never a loop.

import type { BlockSource } from "./block-io.ts";
import { joinBytes, latin1Text, viewOf } from "./bytes.ts";
import { DiskFormatError } from "./disk-errors.ts";
import { areasOf, type FatGeometry } from "./fat-geometry.ts";
import { longNameAttribute, longNamePart } from "./fat-name.ts";

export interface FatEntry {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  readonly firstCluster: number;
}

export interface FatReader {
  readonly type: "fat16" | "fat32";
  readonly volumeId: number;
  readonly label: string;
  /** Every file and directory, in directory order. */
  list(): FatEntry[];
  /** The file's bytes. Paths compare without regard to case, as firmware does. */
  read(path: string): Uint8Array;
  /**
   * Where the file lies, in bytes from the start of the file system. Throws
   * {@link DiskFormatError} when it is missing or not contiguous.
   */
  locate(path: string): { readonly offsetBytes: number; readonly sizeBytes: number };
}

const directoryEntriesMax = 65_536;
const depthMax = 16;
const fatBytesMax = 64 * 1_048_576;

interface Volume {
  readonly source: BlockSource;
  readonly geometry: FatGeometry;
  readonly areas: ReturnType<typeof areasOf>;
  readonly rootCluster: number;
  readonly fat: DataView;
}

/** What one listing may still return: directories that point at each other end as an error. */
interface Budget {
  entries: number;
}

/** Opens a file system. Throws {@link DiskFormatError} when its parameter block makes no sense. */
export function openFat(source: BlockSource): FatReader {
  const boot = source.read(0, 512);
  const geometry = readGeometry(boot);
  const wide = geometry.type === "fat32";
  const areas = areasOf(geometry);
  if (areas.fatBytes > fatBytesMax) throw new DiskFormatError("the FAT is too large");
  const fat = viewOf(source.read(areas.fatOffset, areas.fatBytes));
  const rootCluster = wide ? viewOf(boot).getUint32(44, true) : 0;
  const volume: Volume = { source, geometry, areas, rootCluster, fat };
  const tail = wide ? 64 : 36;
  const entries = (): FatEntry[] =>
    listDirectory(volume, rootCluster, "", 0, { entries: directoryEntriesMax });
  const find = (path: string): FatEntry => {
    const wanted = path.toUpperCase();
    const found = entries().find((e) => !e.isDirectory && e.path.toUpperCase() === wanted);
    if (found === undefined) throw new DiskFormatError(`the file system has no file ${path}`);
    return found;
  };
  return {
    type: geometry.type,
    volumeId: viewOf(boot).getUint32(tail + 3, true),
    label: latin1Text(boot.subarray(tail + 7, tail + 18)).trimEnd(),
    list: entries,
    read: (path) => readFile(volume, find(path)),
    locate: (path) => locateFile(volume, find(path)),
  };
}

function readGeometry(boot: Uint8Array): FatGeometry {
  const view = viewOf(boot);
  const sectorBytes = view.getUint16(11, true);
  const clusterSectors = boot[13] ?? 0;
  const reservedSectors = view.getUint16(14, true);
  const rootEntries = view.getUint16(17, true);
  const shortFat = view.getUint16(22, true);
  const fatSectors = shortFat === 0 ? view.getUint32(36, true) : shortFat;
  const totalSectors = view.getUint16(19, true) || view.getUint32(32, true);
  const sane =
    view.getUint16(510, true) === 0xaa55 &&
    (sectorBytes === 512 || sectorBytes === 4096) &&
    [1, 2, 4, 8, 16, 32, 64, 128].includes(clusterSectors) &&
    reservedSectors > 0 &&
    boot[16] === 2 &&
    (rootEntries * 32) % sectorBytes === 0 &&
    fatSectors > 0;
  if (!sane || (sectorBytes !== 512 && sectorBytes !== 4096)) {
    throw new DiskFormatError("the boot sector is not that of a FAT file system");
  }
  const before = reservedSectors + 2 * fatSectors + (rootEntries * 32) / sectorBytes;
  const clusters = Math.floor((totalSectors - before) / clusterSectors);
  const type = shortFat === 0 ? "fat32" : "fat16";
  const entryBytes = type === "fat32" ? 4 : 2;
  if (clusters < 4085 || (clusters + 2) * entryBytes > fatSectors * sectorBytes) {
    throw new DiskFormatError("the sizes in the FAT boot sector contradict each other");
  }
  const shape = { sectorBytes, clusterSectors, reservedSectors, fatSectors } as const;
  return { type, ...shape, totalSectors, rootEntries, clusters };
}

/** The clusters of a chain; at most as many as the file system has, so a loop ends as an error. */
function chainOf(volume: Volume, firstCluster: number): number[] {
  const wide = volume.geometry.type === "fat32";
  const chain: number[] = [];
  let cluster = firstCluster;
  while (cluster < (wide ? 0x0fff_fff8 : 0xfff8)) {
    if (cluster < 2 || cluster >= volume.geometry.clusters + 2) {
      throw new DiskFormatError(`cluster ${cluster} lies outside the file system`);
    }
    if (chain.length >= volume.geometry.clusters) throw new DiskFormatError("a FAT chain loops");
    chain.push(cluster);
    cluster = wide
      ? volume.fat.getUint32(cluster * 4, true) & 0x0fff_ffff
      : volume.fat.getUint16(cluster * 2, true);
  }
  return chain;
}

function clusterOffset(volume: Volume, cluster: number): number {
  return volume.areas.dataOffset + (cluster - 2) * volume.areas.clusterBytes;
}

function readChain(volume: Volume, firstCluster: number): Uint8Array {
  const { clusterBytes } = volume.areas;
  return joinBytes(
    chainOf(volume, firstCluster).map((c) =>
      volume.source.read(clusterOffset(volume, c), clusterBytes),
    ),
  );
}

function readFile(volume: Volume, file: FatEntry): Uint8Array {
  if (file.sizeBytes === 0) return new Uint8Array(0);
  const bytes = readChain(volume, file.firstCluster);
  if (bytes.length < file.sizeBytes) throw new DiskFormatError(`${file.path} is cut short`);
  return bytes.subarray(0, file.sizeBytes);
}

function locateFile(volume: Volume, file: FatEntry): { offsetBytes: number; sizeBytes: number } {
  if (file.sizeBytes === 0) throw new DiskFormatError(`${file.path} is empty`);
  const chain = chainOf(volume, file.firstCluster);
  const contiguous = chain.every((cluster, i) => cluster === file.firstCluster + i);
  if (!contiguous) throw new DiskFormatError(`${file.path} is not contiguous`);
  if (chain.length * volume.areas.clusterBytes < file.sizeBytes) {
    throw new DiskFormatError(`${file.path} is cut short`);
  }
  return { offsetBytes: clusterOffset(volume, file.firstCluster), sizeBytes: file.sizeBytes };
}

function listDirectory(
  volume: Volume,
  cluster: number,
  prefix: string,
  depth: number,
  budget: Budget,
): FatEntry[] {
  if (depth > depthMax) throw new DiskFormatError("directories are nested too deeply");
  const { rootOffset, rootBytes } = volume.areas;
  const bytes =
    cluster === 0 ? volume.source.read(rootOffset, rootBytes) : readChain(volume, cluster);
  const found: FatEntry[] = [];
  for (const { name, raw } of namedEntries(bytes)) {
    budget.entries -= 1;
    if (budget.entries < 0) throw new DiskFormatError("the file system has too many entries");
    found.push(...withBelow(volume, raw, prefix + name, depth, budget));
  }
  return found;
}

/** Entries of one directory with their long names; without labels, deleted entries, `.` and `..`. */
function namedEntries(bytes: Uint8Array): { readonly name: string; readonly raw: Uint8Array }[] {
  const found: { name: string; raw: Uint8Array }[] = [];
  let longName = "";
  for (let at = 0; at < bytes.length && bytes[at] !== 0; at += 32) {
    const raw = bytes.subarray(at, at + 32);
    const attribute = raw[11] ?? 0;
    const isDeleted = raw[0] === 0xe5;
    if (attribute === longNameAttribute && !isDeleted) {
      longName = longNamePart(raw) + longName;
      continue;
    }
    const name = longName === "" ? shortName(raw) : longName;
    longName = "";
    const isLabel = (attribute & 0x08) !== 0;
    if (!isDeleted && !isLabel && name !== "." && name !== "..") found.push({ name, raw });
  }
  return found;
}

function withBelow(
  volume: Volume,
  raw: Uint8Array,
  path: string,
  depth: number,
  budget: Budget,
): FatEntry[] {
  const view = viewOf(raw);
  const isDirectory = ((raw[11] ?? 0) & 0x10) !== 0;
  const high = volume.geometry.type === "fat32" ? view.getUint16(20, true) : 0;
  const firstCluster = high * 0x1_0000 + view.getUint16(26, true);
  const entry = { path, isDirectory, sizeBytes: view.getUint32(28, true), firstCluster };
  if (!isDirectory) return [entry];
  if (firstCluster === 0) throw new DiskFormatError(`directory ${path} has no cluster`);
  return [entry, ...listDirectory(volume, firstCluster, `${path}/`, depth + 1, budget)];
}

function shortName(raw: Uint8Array): string {
  const base = latin1Text(raw.subarray(0, 8)).trimEnd();
  const extension = latin1Text(raw.subarray(8, 11)).trimEnd();
  return extension === "" ? base : `${base}.${extension}`;
}
