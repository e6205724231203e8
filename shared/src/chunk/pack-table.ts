// Binary form of the pack table: for every chunk of one index, the pack that holds its zstd frame
// and where. It is not trusted: a wrong table can only lead to bytes that fail verification.
//
// Little endian: "DRVT" u16 version=1 u16 0 | SHA-256 index root | u32 chunks | u16 packs u16 0 |
// u32 runs | packs: SHA-256, u32 size | runs: u16 pack u16 0 u32 offset u32 chunks | chunks × u24
// frame length. A run is chunks whose frames follow each other in one pack. A pack is "DRVP" u16
// version=1 u16 0, then zstd frames, at most 64 MiB, and is named by its SHA-256.

import { ByteReader, ByteWriter } from "./binary.ts";
import { indexLimits } from "./chunk-index.ts";
import { digestBytes, digestFromHex, toHex } from "./digest.ts";
import { formatRule } from "./errors.ts";

export const packLimits = {
  packBytesMax: 64 * 1024 * 1024,
  /** Preamble before the first frame. */
  prefixBytes: 8,
  packsMax: 65_535,
  /** A frame of an incompressible chunk is a little longer than the chunk. */
  frameBytesMax: indexLimits.chunkBytesMax + 16_384,
} as const;

/** Where one chunk's frame lies. */
export interface FrameLocation {
  /** SHA-256 of the pack, hex. */
  readonly pack: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** One pack that a table refers to. */
export interface PackReference {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** A parsed pack table. */
export interface PackTable {
  readonly indexRoot: string;
  readonly packs: readonly PackReference[];
  /** One per chunk number; a repeated chunk repeats its location. */
  readonly locations: readonly FrameLocation[];
}

interface Run {
  readonly pack: number;
  readonly offset: number;
  count: number;
  end: number;
}

/** The first bytes of every pack. */
export function packPrefix(): Uint8Array {
  return new ByteWriter().preamble("DRVP").take();
}

/** Throws {@link ChunkFormatError} unless `bytes` start like a pack of a version we read. */
export function checkPackPrefix(bytes: Uint8Array): void {
  new ByteReader(bytes, "pack").preamble("DRVP");
}

/** Encodes a table. The locations must be one per chunk of the index. */
export function encodePackTable(table: PackTable): Uint8Array {
  const numbers = new Map(table.packs.map((pack, number) => [pack.digest, number]));
  const runs: Run[] = [];
  for (const { pack, offset, sizeBytes } of table.locations) {
    const number = numbers.get(pack);
    formatRule(number !== undefined, `the pack table does not list pack ${pack}`);
    const last = runs.at(-1);
    if (last !== undefined && last.pack === number && last.end === offset) {
      last.count += 1;
      last.end += sizeBytes;
    } else {
      runs.push({ pack: number, offset, count: 1, end: offset + sizeBytes });
    }
  }
  const writer = new ByteWriter()
    .preamble("DRVT")
    .bytes(digestFromHex(table.indexRoot))
    .u32(table.locations.length)
    .u16(table.packs.length)
    .u16(0)
    .u32(runs.length);
  for (const pack of table.packs) writer.bytes(digestFromHex(pack.digest)).u32(pack.sizeBytes);
  for (const run of runs) writer.u16(run.pack).u16(0).u32(run.offset).u32(run.count);
  for (const { sizeBytes } of table.locations) writer.u24(sizeBytes);
  return writer.take();
}

/** Parses a table strictly. The caller compares its digest and `indexRoot` with what it asked for. */
export function parsePackTable(bytes: Uint8Array): PackTable {
  const reader = new ByteReader(bytes, "pack table");
  reader.preamble("DRVT");
  const indexRoot = toHex(reader.bytes(digestBytes));
  const count = reader.u32();
  const packCount = reader.u16();
  reader.reserved();
  const runCount = reader.u32();
  const sizeBytes = packCount * (digestBytes + 4) + runCount * 12 + count * 3;
  formatRule(reader.left === sizeBytes, "the pack table has another length than it says");
  formatRule(count <= indexLimits.entriesMax, "the pack table has too many chunks");
  const packs: PackReference[] = [];
  for (let i = 0; i < packCount; i += 1) {
    const pack = { digest: toHex(reader.bytes(digestBytes)), sizeBytes: reader.u32() };
    formatRule(pack.sizeBytes <= packLimits.packBytesMax, `pack ${pack.digest} is too long`);
    packs.push(pack);
  }
  const runs: { pack: PackReference; offset: number; count: number }[] = [];
  for (let i = 0; i < runCount; i += 1) {
    const pack = packs[reader.u16()];
    formatRule(pack !== undefined, "the pack table refers to a pack that it does not list");
    reader.reserved();
    runs.push({ pack, offset: reader.u32(), count: reader.u32() });
  }
  return { indexRoot, packs, locations: locateFrames(reader, runs, count) };
}

function locateFrames(
  reader: ByteReader,
  runs: readonly { pack: PackReference; offset: number; count: number }[],
  count: number,
): FrameLocation[] {
  const locations: FrameLocation[] = [];
  for (const run of runs) {
    formatRule(run.count <= count - locations.length, "the pack table's runs are too long");
    let offset = run.offset;
    formatRule(offset >= packLimits.prefixBytes, "the pack table points into a pack's preamble");
    for (let i = 0; i < run.count; i += 1) {
      const sizeBytes = reader.u24();
      formatRule(
        sizeBytes > 0 && sizeBytes <= packLimits.frameBytesMax,
        "the pack table has a frame of impossible length",
      );
      locations.push({ pack: run.pack.digest, offset, sizeBytes });
      offset += sizeBytes;
    }
    formatRule(offset <= run.pack.sizeBytes, "the pack table points past the end of a pack");
  }
  formatRule(locations.length === count, "the pack table's runs do not cover all chunks");
  return locations;
}
