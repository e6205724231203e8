// Writes a GPT with its protective MBR for a planned layout (UEFI 2.10 §5). The same layout always
// gives the same bytes; both headers and both tables are complete.

import { crc32, type Extent, joinBytes, latin1Bytes, viewOf } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";
import { guidBytes } from "./guid.ts";
import type { DiskLayout, Partition } from "./layout.ts";

export const entryCount = 128;
export const entryBytes = 128;
export const headerBytes = 92;
const revision = 0x0001_0000;

/** Head and tail of the disk. Write the tail first: a disk without a head boots from the network. */
export interface GptImage {
  /** Protective MBR (boot code left zero), primary header, table. */
  readonly head: Extent;
  /** Backup table and header, up to the last byte of the disk. */
  readonly tail: Extent;
}

/** Encodes the layout. Throws {@link DiskInputError} when the disk is not a whole number of sectors. */
export function encodeGpt(layout: DiskLayout): GptImage {
  const { diskBytes, sectorBytes } = layout;
  if (diskBytes % sectorBytes !== 0) {
    throw new DiskInputError(
      `${diskBytes} bytes are not a whole number of ${sectorBytes}-byte sectors`,
    );
  }
  const sectors = diskBytes / sectorBytes;
  const tableSectors = (entryCount * entryBytes) / sectorBytes;
  const table = encodeTable(layout.partitions, sectorBytes);
  const header = (own: number, other: number, tableAt: number): Uint8Array =>
    encodeHeader({ layout, table, own, other, tableAt, tableSectors, sectors });
  const last = sectors - 1;
  const head = joinBytes([protectiveMbr(sectors, sectorBytes), header(1, last, 2), table]);
  const tail = joinBytes([table, header(last, 1, last - tableSectors)]);
  return {
    head: { offsetBytes: 0, bytes: head },
    tail: { offsetBytes: diskBytes - tail.length, bytes: tail },
  };
}

interface HeaderFields {
  readonly layout: DiskLayout;
  readonly table: Uint8Array;
  readonly own: number;
  readonly other: number;
  readonly tableAt: number;
  readonly tableSectors: number;
  readonly sectors: number;
}

function encodeHeader(fields: HeaderFields): Uint8Array {
  const bytes = new Uint8Array(fields.layout.sectorBytes);
  const view = viewOf(bytes);
  bytes.set(latin1Bytes("EFI PART"), 0);
  view.setUint32(8, revision, true);
  view.setUint32(12, headerBytes, true);
  view.setBigUint64(24, BigInt(fields.own), true);
  view.setBigUint64(32, BigInt(fields.other), true);
  view.setBigUint64(40, BigInt(2 + fields.tableSectors), true);
  view.setBigUint64(48, BigInt(fields.sectors - fields.tableSectors - 2), true);
  bytes.set(guidBytes(fields.layout.diskGuid), 56);
  view.setBigUint64(72, BigInt(fields.tableAt), true);
  view.setUint32(80, entryCount, true);
  view.setUint32(84, entryBytes, true);
  view.setUint32(88, crc32(fields.table), true);
  view.setUint32(16, crc32(bytes.subarray(0, headerBytes)), true);
  return bytes;
}

function encodeTable(partitions: readonly Partition[], sectorBytes: number): Uint8Array {
  const table = new Uint8Array(entryCount * entryBytes);
  const view = viewOf(table);
  for (const partition of partitions) {
    const at = (partition.number - 1) * entryBytes;
    table.set(guidBytes(partition.typeGuid), at);
    table.set(guidBytes(partition.guid), at + 16);
    view.setBigUint64(at + 32, BigInt(partition.offsetBytes / sectorBytes), true);
    const end = partition.offsetBytes + partition.sizeBytes;
    view.setBigUint64(at + 40, BigInt(end / sectorBytes - 1), true);
    view.setBigUint64(at + 48, partition.attributes, true);
    for (let i = 0; i < partition.name.length; i += 1) {
      view.setUint16(at + 56 + 2 * i, partition.name.charCodeAt(i), true);
    }
  }
  return table;
}

/** One partition of type 0xEE over the whole disk (UEFI 2.10 §5.2.3), so that old tools keep away. */
function protectiveMbr(sectors: number, sectorBytes: number): Uint8Array {
  const bytes = new Uint8Array(sectorBytes);
  const view = viewOf(bytes);
  bytes.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446);
  view.setUint32(454, 1, true);
  view.setUint32(458, Math.min(sectors - 1, 0xffff_ffff), true);
  view.setUint16(510, 0xaa55, true);
  return bytes;
}
