// Binary form of a delta object. Prefix, little endian: "DRVD" u16 version=1 u16 0 | u32 header
// frame bytes | u32 header bytes | SHA-256 of the header frame. Then the header as one zstd frame,
// then the literal frames one after the other, so that any of them can be fetched by range.
//
// Header: SHA-256 base root | u32 length, the new index header | operations until all chunks of the
// new index are described: varint kind (0 copy, 1 repeat, 2 literal), varint count, then
//   copy: varint zigzag distance from the end of the previous copy's base run
//   repeat: varint number of the first repeated chunk
//   literal: varint frame bytes, 8 bytes of check, count × (SHA-256, varint length),
//            varint dictionary chunks, their numbers as varint distances (ascending)

import { ByteReader, ByteWriter } from "./binary.ts";
import { type ChunkIndex, chunkBytes, chunkId, runBytes } from "./chunk-index.ts";
import {
  type Delta,
  type DeltaOp,
  type DeltaPrefix,
  deltaLimits,
  frameBytesMax,
  type LiteralOp,
} from "./delta.ts";
import { digestBytes, digestFromHex, sameBytes, sha256Hex, toHex } from "./digest.ts";
import { ChunkDigestError, formatRule } from "./errors.ts";
import {
  assembleIndex,
  encodePages,
  type IndexHeader,
  parseIndexHeader,
  verifyPage,
} from "./index-codec.ts";

const kinds = ["copy", "repeat", "literal"] as const;

/** The header of a delta, not yet compressed. `newHeader` is the encoded header of `newIndex`. */
export function encodeDeltaHeader(input: {
  readonly baseRoot: string;
  readonly newIndex: ChunkIndex;
  readonly newHeader: Uint8Array;
  readonly ops: readonly DeltaOp[];
}): Uint8Array {
  const { newIndex, newHeader } = input;
  const writer = new ByteWriter().bytes(digestFromHex(input.baseRoot));
  writer.u32(newHeader.length).bytes(newHeader);
  let expected = 0;
  for (const op of input.ops) {
    writer.varint(kinds.indexOf(op.kind)).varint(op.count);
    if (op.kind === "copy") {
      const distance = op.baseFirst - expected;
      writer.varint(distance < 0 ? -distance * 2 - 1 : distance * 2);
      expected = op.baseFirst + op.count;
    } else if (op.kind === "repeat") {
      writer.varint(op.fromFirst);
    } else {
      encodeLiteral(writer, newIndex, op);
    }
  }
  return writer.take();
}

function encodeLiteral(writer: ByteWriter, newIndex: ChunkIndex, op: LiteralOp): void {
  writer.varint(op.frameBytes).bytes(op.check);
  for (let number = op.first; number < op.first + op.count; number += 1) {
    writer.bytes(chunkId(newIndex, number)).varint(chunkBytes(newIndex, number));
  }
  writer.varint(op.dictionary.length);
  let previous = 0;
  for (const number of op.dictionary) {
    writer.varint(number - previous);
    previous = number;
  }
}

/** The 48 bytes before a compressed header. */
export function encodeDeltaPrefix(headerFrame: Uint8Array, headerBytes: number): Uint8Array {
  return new ByteWriter()
    .preamble("DRVD")
    .u32(headerFrame.length)
    .u32(headerBytes)
    .bytes(digestFromHex(sha256Hex(headerFrame)))
    .take();
}

/** Parses the first {@link deltaLimits.prefixBytes} bytes of a delta object. */
export function parseDeltaPrefix(bytes: Uint8Array): DeltaPrefix {
  const reader = new ByteReader(bytes, "delta");
  reader.preamble("DRVD");
  const headerFrameBytes = reader.u32();
  const headerBytes = reader.u32();
  formatRule(headerBytes <= deltaLimits.headerBytesMax, "the delta has a header that is too long");
  formatRule(headerFrameBytes <= frameBytesMax(headerBytes), "the delta has an impossible header");
  const headerFrameDigest = toHex(reader.bytes(digestBytes));
  reader.end();
  return { headerFrameBytes, headerBytes, headerFrameDigest };
}

/** Throws {@link ChunkDigestError} unless `frame` is the header frame the prefix names. */
export function verifyDeltaHeaderFrame(prefix: DeltaPrefix, frame: Uint8Array): void {
  if (sha256Hex(frame) !== prefix.headerFrameDigest) {
    throw new ChunkDigestError("the header of a delta has other bytes than its prefix names");
  }
}

/**
 * Parses an expanded header against the base it was made for. The new index is rebuilt from the
 * operations and must have the root `newRoot`, which the caller knows from a signed manifest.
 */
export function parseDeltaHeader(input: {
  readonly header: Uint8Array;
  readonly prefix: DeltaPrefix;
  readonly base: ChunkIndex;
  readonly newRoot: string;
}): Delta {
  const { header, prefix, base, newRoot } = input;
  formatRule(header.length === prefix.headerBytes, "the delta's header has a wrong length");
  const reader = new ByteReader(header, "delta header");
  const baseRoot = toHex(reader.bytes(digestBytes));
  if (baseRoot !== base.root) {
    throw new ChunkDigestError(`the delta starts from index ${baseRoot}, not ${base.root}`);
  }
  const newHeader = parseIndexHeader(reader.bytes(reader.u32()));
  if (newHeader.root !== newRoot) {
    throw new ChunkDigestError(`the delta leads to index ${newHeader.root}, not ${newRoot}`);
  }
  const expansion = new DeltaExpansion(reader, base, newHeader);
  const ops = expansion.readOps();
  reader.end();
  let offset = deltaLimits.prefixBytes + prefix.headerFrameBytes;
  const frameOffsets = ops.map((op) => {
    if (op.kind !== "literal") return undefined;
    offset += op.frameBytes;
    return offset - op.frameBytes;
  });
  return { baseRoot, newIndex: expansion.finish(), ops, frameOffsets, objectBytes: offset };
}

/** Reads operations and fills in the columns of the new index as it goes. */
class DeltaExpansion {
  readonly #reader: ByteReader;
  readonly #base: ChunkIndex;
  readonly #newHeader: IndexHeader;
  readonly #ids: Uint8Array;
  readonly #lengths: Uint32Array;
  #next = 0;
  #expectedBase = 0;

  constructor(reader: ByteReader, base: ChunkIndex, newHeader: IndexHeader) {
    this.#reader = reader;
    this.#base = base;
    this.#newHeader = newHeader;
    this.#ids = new Uint8Array(newHeader.entryCount * digestBytes);
    this.#lengths = new Uint32Array(newHeader.entryCount);
  }

  readOps(): DeltaOp[] {
    const ops: DeltaOp[] = [];
    while (this.#next < this.#newHeader.entryCount) {
      const kind = kinds[this.#reader.varint()];
      const first = this.#next;
      const count = this.#reader.varint();
      formatRule(
        count > 0 && count <= this.#newHeader.entryCount - first,
        "an operation of the delta runs past the end of the new index",
      );
      formatRule(kind !== undefined, "the delta has an unknown operation");
      if (kind === "copy") ops.push({ kind, first, count, baseFirst: this.#readCopy(count) });
      else if (kind === "repeat")
        ops.push({ kind, first, count, fromFirst: this.#readRepeat(count) });
      else ops.push(this.#readLiteral(first, count));
      this.#next += count;
    }
    return ops;
  }

  /** The new index; every page of it is checked against the table its root covers. */
  finish(): ChunkIndex {
    const { entriesPerPage } = this.#newHeader;
    for (const [page, bytes] of encodePages(this.#ids, this.#lengths, entriesPerPage).entries()) {
      verifyPage(this.#newHeader, page, bytes);
    }
    return assembleIndex(this.#newHeader, this.#ids, this.#lengths);
  }

  #readCopy(count: number): number {
    const coded = this.#reader.varint();
    const distance = coded % 2 === 1 ? -(coded + 1) / 2 : coded / 2;
    const baseFirst = this.#expectedBase + distance;
    formatRule(
      baseFirst >= 0 && baseFirst + count <= this.#base.count,
      "the delta copies chunks that its base does not have",
    );
    this.#expectedBase = baseFirst + count;
    const { ids, lengths } = this.#base;
    this.#ids.set(
      ids.subarray(baseFirst * digestBytes, (baseFirst + count) * digestBytes),
      this.#next * digestBytes,
    );
    this.#lengths.set(lengths.subarray(baseFirst, baseFirst + count), this.#next);
    return baseFirst;
  }

  #readRepeat(count: number): number {
    const from = this.#reader.varint();
    formatRule(
      from + count <= this.#next,
      "the delta repeats chunks that it has not described yet",
    );
    this.#ids.copyWithin(
      this.#next * digestBytes,
      from * digestBytes,
      (from + count) * digestBytes,
    );
    this.#lengths.copyWithin(this.#next, from, from + count);
    return from;
  }

  #readLiteral(first: number, count: number): LiteralOp {
    const frameBytes = this.#reader.varint();
    const check = this.#reader.bytes(deltaLimits.checkBytes).slice();
    let plainBytes = 0;
    for (let number = first; number < first + count; number += 1) {
      this.#ids.set(this.#reader.bytes(digestBytes), number * digestBytes);
      const length = this.#reader.varint();
      this.#lengths[number] = length;
      plainBytes += length;
      formatRule(plainBytes <= deltaLimits.literalBytesMax, "a frame of the delta is too long");
    }
    formatRule(
      frameBytes > 0 && frameBytes <= frameBytesMax(plainBytes),
      "a frame of the delta has an impossible length",
    );
    formatRule(
      this.#newHeader.artefacts.some(
        (artefact) =>
          first >= artefact.firstChunk &&
          first + count <= artefact.firstChunk + artefact.chunkCount,
      ),
      "a frame of the delta spans two artefacts",
    );
    const dictionary = this.#readDictionary();
    return { kind: "literal", first, count, frameBytes, check, dictionary };
  }

  #readDictionary(): number[] {
    const count = this.#reader.varint();
    const numbers: number[] = [];
    let sizeBytes = 0;
    for (let i = 0; i < count; i += 1) {
      const distance = this.#reader.varint();
      formatRule(i === 0 || distance > 0, "a dictionary of the delta is not in ascending order");
      const number = (numbers.at(-1) ?? 0) + distance;
      formatRule(
        number < this.#base.count,
        "a dictionary names a chunk that the base does not have",
      );
      sizeBytes += runBytes(this.#base, number, 1);
      formatRule(
        sizeBytes <= deltaLimits.dictionaryBytesMax,
        "a dictionary of the delta is larger than 4 MiB",
      );
      numbers.push(number);
    }
    return numbers;
  }
}

/** True when `frame` has the check that its operation names. */
export function isFrameIntact(check: Uint8Array, frame: Uint8Array): boolean {
  return sameBytes(check, digestFromHex(sha256Hex(frame)).subarray(0, check.length));
}
