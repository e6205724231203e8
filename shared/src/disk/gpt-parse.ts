// Reads a GPT strictly: signature, sizes, both CRCs, bounds and overlaps are checked. A damaged
// primary copy falls back to the backup copy, and the result says which one was used.

import type { BlockSource } from "./block-io.ts";
import { crc32, latin1Text, viewOf } from "./bytes.ts";
import { DiskFormatError } from "./disk-errors.ts";
import { entryBytes, headerBytes } from "./gpt.ts";
import { guidText } from "./guid.ts";
import type { SectorBytes } from "./layout.ts";

/** A partition as found; `name` may be any text, foreign disks are read too. */
export interface FoundPartition {
  readonly name: string;
  readonly number: number;
  readonly typeGuid: string;
  readonly guid: string;
  readonly attributes: bigint;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface FoundGpt {
  readonly diskGuid: string;
  readonly partitions: readonly FoundPartition[];
  readonly copy: "primary" | "backup";
  /** Why the primary copy was not used; empty when it was. */
  readonly because: readonly string[];
}

interface Header {
  readonly diskGuid: string;
  readonly firstUsable: number;
  readonly lastUsable: number;
  readonly tableAt: number;
  readonly entries: number;
  readonly tableCrc: number;
}

interface Disk {
  readonly source: BlockSource;
  readonly diskBytes: number;
  readonly sectorBytes: SectorBytes;
}

const emptyType = "00000000-0000-0000-0000-000000000000";

/** Parses the GPT of a disk. Throws {@link DiskFormatError} when neither copy is valid. */
export function parseGpt(
  source: BlockSource,
  diskBytes: number,
  sectorBytes: SectorBytes,
): FoundGpt {
  const disk: Disk = { source, diskBytes, sectorBytes };
  const lastSector = Math.floor(diskBytes / sectorBytes) - 1;
  if (lastSector < 6) throw new DiskFormatError(`${diskBytes} bytes are too few for a GPT`);
  checkProtectiveMbr(disk);
  try {
    return { ...readCopy(disk, 1), copy: "primary", because: [] };
  } catch (primary) {
    if (!(primary instanceof DiskFormatError)) throw primary;
    try {
      const because = [`primary copy: ${primary.message}`];
      return { ...readCopy(disk, lastSector), copy: "backup", because };
    } catch (backup) {
      if (!(backup instanceof DiskFormatError)) throw backup;
      const both = `primary: ${primary.message}; backup: ${backup.message}`;
      throw new DiskFormatError(`the disk has no valid GPT (${both})`, { cause: primary });
    }
  }
}

function checkProtectiveMbr(disk: Disk): void {
  const mbr = disk.source.read(0, 512);
  const signed = viewOf(mbr).getUint16(510, true) === 0xaa55;
  const types = [450, 466, 482, 498].map((at) => mbr[at]);
  if (!signed || !types.includes(0xee)) throw new DiskFormatError("the disk has no protective MBR");
}

function readCopy(disk: Disk, at: number): Pick<FoundGpt, "diskGuid" | "partitions"> {
  const header = readHeader(disk, at);
  const tableBytes = header.entries * entryBytes;
  const tableOffset = header.tableAt * disk.sectorBytes;
  if (tableOffset + tableBytes > disk.diskBytes) throw new DiskFormatError("table past the end");
  const table = disk.source.read(tableOffset, tableBytes);
  if (crc32(table) !== header.tableCrc) throw new DiskFormatError("table checksum differs");
  const partitions: FoundPartition[] = [];
  for (let index = 0; index < header.entries; index += 1) {
    const entry = table.subarray(index * entryBytes, (index + 1) * entryBytes);
    if (guidText(entry.subarray(0, 16)) === emptyType) continue;
    partitions.push(readEntry(entry, index + 1, header, disk.sectorBytes));
  }
  checkOverlaps(partitions);
  return { diskGuid: header.diskGuid, partitions };
}

function readHeader(disk: Disk, at: number): Header {
  const bytes = disk.source.read(at * disk.sectorBytes, disk.sectorBytes);
  const view = viewOf(bytes);
  if (latin1Text(bytes.subarray(0, 8)) !== "EFI PART") throw new DiskFormatError("no signature");
  if (view.getUint32(12, true) !== headerBytes) throw new DiskFormatError("unknown header size");
  const zeroed = bytes.slice(0, headerBytes);
  viewOf(zeroed).setUint32(16, 0, true);
  if (crc32(zeroed) !== view.getUint32(16, true))
    throw new DiskFormatError("header checksum differs");
  if (view.getBigUint64(24, true) !== BigInt(at))
    throw new DiskFormatError("header is not in its place");
  const entries = view.getUint32(80, true);
  if (view.getUint32(84, true) !== entryBytes || entries === 0 || entries > 1024) {
    throw new DiskFormatError(`unsupported table of ${entries} entries`);
  }
  return {
    diskGuid: guidText(bytes.subarray(56, 72)),
    firstUsable: safeNumber(view.getBigUint64(40, true)),
    lastUsable: safeNumber(view.getBigUint64(48, true)),
    tableAt: safeNumber(view.getBigUint64(72, true)),
    entries,
    tableCrc: view.getUint32(88, true),
  };
}

function readEntry(
  entry: Uint8Array,
  number: number,
  header: Header,
  sectorBytes: SectorBytes,
): FoundPartition {
  const view = viewOf(entry);
  const first = safeNumber(view.getBigUint64(32, true));
  const last = safeNumber(view.getBigUint64(40, true));
  if (first > last || first < header.firstUsable || last > header.lastUsable) {
    throw new DiskFormatError(`partition ${number} lies outside the usable sectors`);
  }
  let name = "";
  for (let at = 56; at < entryBytes; at += 2) {
    const unit = view.getUint16(at, true);
    if (unit === 0) break;
    name += String.fromCharCode(unit);
  }
  return {
    name,
    number,
    typeGuid: guidText(entry.subarray(0, 16)),
    guid: guidText(entry.subarray(16, 32)),
    attributes: view.getBigUint64(48, true),
    offsetBytes: first * sectorBytes,
    sizeBytes: (last - first + 1) * sectorBytes,
  };
}

function checkOverlaps(partitions: readonly FoundPartition[]): void {
  const sorted = partitions.toSorted((a, b) => a.offsetBytes - b.offsetBytes);
  let end = 0;
  for (const partition of sorted) {
    if (partition.offsetBytes < end) {
      throw new DiskFormatError(`partition ${partition.number} overlaps another`);
    }
    end = partition.offsetBytes + partition.sizeBytes;
  }
}

function safeNumber(value: bigint): number {
  if (value > 0x1f_ffff_ffff_ffffn / 4096n)
    throw new DiskFormatError(`sector ${value} is out of range`);
  return Number(value);
}
