// Binary form of the chunk index: a header with a table of page digests, and pages of entries. The
// header's digest is the index root; each page can be fetched and verified alone.
//
// Header, little endian: "DRVI" u16 version=1 u16 0 | u32 header bytes | u8 algorithm=1 (FastCDC,
// 32-bit gear v1) u8 normalisation u16 0 | u32 min u32 average u32 max | u32 entries per page |
// u32 entries | u32 pages | u16 artefacts u16 0 | artefacts: u8 name length, name, u64 size,
// u32 first chunk, u32 chunks | pages × SHA-256. Page: entries × (SHA-256, u32 length).

import { ByteReader, ByteWriter } from "./binary.ts";
import {
  type Artefact,
  type ChunkerParameters,
  type ChunkIndex,
  checkChunker,
  indexLimits,
} from "./chunk-index.ts";
import { digestBytes, sha256, sha256Hex, toHex } from "./digest.ts";
import { ChunkDigestError, formatRule } from "./errors.ts";

/** Bytes of one entry in a page. */
export const entryBytes = digestBytes + 4;

const algorithmFastCdc = 1;

/** A parsed header: everything about an index but its entries. */
export interface IndexHeader {
  readonly root: string;
  readonly chunker: ChunkerParameters;
  readonly artefacts: readonly Artefact[];
  readonly entriesPerPage: number;
  readonly entryCount: number;
  /** SHA-256 of each page, hex. */
  readonly pageDigests: readonly string[];
}

/** An index and the objects it is sent as. */
export interface EncodedIndex {
  readonly index: ChunkIndex;
  readonly header: Uint8Array;
  readonly pages: readonly Uint8Array[];
}

/** One chunk on the way into an index. */
export interface IndexEntry {
  readonly id: Uint8Array;
  readonly lengthBytes: number;
}

/** Everything needed to make an index. */
export interface IndexContent {
  readonly chunker: ChunkerParameters;
  readonly artefacts: readonly { readonly name: string; readonly entries: readonly IndexEntry[] }[];
  /** Left out: 4096. Smaller pages are for tests. */
  readonly entriesPerPage?: number;
}

/** Encodes an index. Throws {@link ChunkFormatError} when the content breaks a rule of the format. */
export function encodeIndex(content: IndexContent): EncodedIndex {
  const entries = content.artefacts.flatMap((artefact) => artefact.entries);
  const ids = new Uint8Array(entries.length * digestBytes);
  const lengths = new Uint32Array(entries.length);
  for (const [number, entry] of entries.entries()) {
    ids.set(entry.id, number * digestBytes);
    lengths[number] = entry.lengthBytes;
  }
  let firstChunk = 0;
  const artefacts = content.artefacts.map(({ name, entries: own }) => {
    const sizeBytes = own.reduce((sum, entry) => sum + entry.lengthBytes, 0);
    const artefact = { name, sizeBytes, firstChunk, chunkCount: own.length };
    firstChunk += own.length;
    return artefact;
  });
  const entriesPerPage = content.entriesPerPage ?? indexLimits.entriesPerPage;
  const pages = encodePages(ids, lengths, entriesPerPage);
  const header = encodeHeader({ ...content, artefacts, entriesPerPage }, lengths.length, pages);
  return { index: assembleIndex(parseIndexHeader(header), ids, lengths), header, pages };
}

function encodeHeader(
  head: Pick<IndexHeader, "chunker" | "artefacts" | "entriesPerPage">,
  entryCount: number,
  pages: readonly Uint8Array[],
): Uint8Array {
  const { chunker } = head;
  const body = new ByteWriter()
    .u8(algorithmFastCdc)
    .u8(chunker.normalisation)
    .u16(0)
    .u32(chunker.minBytes)
    .u32(chunker.averageBytes)
    .u32(chunker.maxBytes)
    .u32(head.entriesPerPage)
    .u32(entryCount)
    .u32(pages.length)
    .u16(head.artefacts.length)
    .u16(0);
  for (const artefact of head.artefacts) {
    const name = new TextEncoder().encode(artefact.name);
    body.u8(name.length).bytes(name).u64(artefact.sizeBytes);
    body.u32(artefact.firstChunk).u32(artefact.chunkCount);
  }
  for (const page of pages) body.bytes(sha256(page));
  const rest = body.take();
  return new ByteWriter()
    .preamble("DRVI")
    .u32(rest.length + 12)
    .bytes(rest)
    .take();
}

/** The pages of an index, given its columns. */
export function encodePages(
  ids: Uint8Array,
  lengths: Uint32Array,
  entriesPerPage: number,
): Uint8Array[] {
  const pages: Uint8Array[] = [];
  for (let first = 0; first < lengths.length; first += entriesPerPage) {
    const count = Math.min(entriesPerPage, lengths.length - first);
    const page = new Uint8Array(count * entryBytes);
    const view = new DataView(page.buffer);
    for (let i = 0; i < count; i += 1) {
      const from = (first + i) * digestBytes;
      page.set(ids.subarray(from, from + digestBytes), i * entryBytes);
      view.setUint32(i * entryBytes + digestBytes, lengths[first + i] ?? 0, true);
    }
    pages.push(page);
  }
  return pages;
}

/** Parses a header strictly. Its `root` still has to be compared with the one a manifest binds. */
export function parseIndexHeader(bytes: Uint8Array): IndexHeader {
  formatRule(bytes.length <= indexLimits.headerBytesMax, "the chunk index header is too long");
  const reader = new ByteReader(bytes, "chunk index");
  reader.preamble("DRVI");
  formatRule(
    reader.u32() === bytes.length,
    "the chunk index header has another length than it says",
  );
  formatRule(reader.u8() === algorithmFastCdc, "the chunk index names an unknown chunker");
  const normalisation = reader.u8();
  reader.reserved();
  const chunker = {
    minBytes: reader.u32(),
    averageBytes: reader.u32(),
    maxBytes: reader.u32(),
    normalisation,
  };
  checkChunker(chunker);
  const entriesPerPage = reader.u32();
  const entryCount = reader.u32();
  const pageCount = reader.u32();
  formatRule(
    entriesPerPage > 0 && entriesPerPage <= indexLimits.entriesPerPageMax,
    "the chunk index has an impossible page size",
  );
  formatRule(entryCount <= indexLimits.entriesMax, "the chunk index has too many chunks");
  formatRule(
    pageCount === Math.ceil(entryCount / entriesPerPage),
    "the chunk index has a wrong number of pages",
  );
  const artefacts = parseArtefacts(reader, entryCount);
  const pageDigests = Array.from({ length: pageCount }, () => toHex(reader.bytes(digestBytes)));
  reader.end();
  return { root: sha256Hex(bytes), chunker, artefacts, entriesPerPage, entryCount, pageDigests };
}

function parseArtefacts(reader: ByteReader, entryCount: number): Artefact[] {
  const count = reader.u16();
  reader.reserved();
  formatRule(count <= indexLimits.artefactsMax, "the chunk index has too many artefacts");
  const artefacts: Artefact[] = [];
  let next = 0;
  for (let i = 0; i < count; i += 1) {
    const name = String.fromCharCode(...reader.bytes(reader.u8()));
    formatRule(/^[a-z0-9][a-z0-9.-]{0,63}$/.test(name), "an artefact has an unusable name");
    formatRule(
      artefacts.every((other) => other.name !== name),
      `the artefact ${name} occurs twice`,
    );
    const sizeBytes = reader.u64();
    const firstChunk = reader.u32();
    const chunkCount = reader.u32();
    formatRule(firstChunk === next, `the chunks of artefact ${name} do not follow its neighbour's`);
    next += chunkCount;
    artefacts.push({ name, sizeBytes, firstChunk, chunkCount });
  }
  formatRule(next === entryCount, "the artefacts do not use all chunks of the index");
  return artefacts;
}

/** Bytes of page `page`, known from the header alone. */
export function pageBytes(header: IndexHeader, page: number): number {
  const before = page * header.entriesPerPage;
  return Math.min(header.entriesPerPage, header.entryCount - before) * entryBytes;
}

/** Throws {@link ChunkDigestError} unless `bytes` are page number `page` of this index. */
export function verifyPage(header: IndexHeader, page: number, bytes: Uint8Array): void {
  if (sha256Hex(bytes) !== header.pageDigests[page]) {
    throw new ChunkDigestError(`page ${page} of index ${header.root} has other bytes than named`);
  }
  formatRule(bytes.length === pageBytes(header, page), `page ${page} has an impossible length`);
}

/** Puts a whole index together from its header and all pages, verifying each page. */
export function decodeIndex(header: IndexHeader, pages: readonly Uint8Array[]): ChunkIndex {
  formatRule(pages.length === header.pageDigests.length, "some pages of the index are missing");
  const ids = new Uint8Array(header.entryCount * digestBytes);
  const lengths = new Uint32Array(header.entryCount);
  let number = 0;
  for (const [page, bytes] of pages.entries()) {
    verifyPage(header, page, bytes);
    const reader = new ByteReader(bytes, "chunk index page");
    while (reader.left > 0) {
      ids.set(reader.bytes(digestBytes), number * digestBytes);
      lengths[number] = reader.u32();
      number += 1;
    }
  }
  return assembleIndex(header, ids, lengths);
}

/** Checks lengths against the header and adds up offsets. The columns must already be trusted. */
export function assembleIndex(
  header: IndexHeader,
  ids: Uint8Array,
  lengths: Uint32Array,
): ChunkIndex {
  const { root, chunker, artefacts, entriesPerPage, entryCount: count } = header;
  const offsets = new Float64Array(count + 1);
  for (const { name, firstChunk, chunkCount, sizeBytes } of artefacts) {
    const start = offsets[firstChunk] ?? 0;
    const end = firstChunk + chunkCount;
    for (let number = firstChunk; number < end; number += 1) {
      const length = lengths[number] ?? 0;
      const shortest = number === end - 1 ? 1 : chunker.minBytes;
      formatRule(
        length >= shortest && length <= chunker.maxBytes,
        `chunk ${number} of artefact ${name} has the impossible length ${length}`,
      );
      offsets[number + 1] = (offsets[number] ?? 0) + length;
    }
    formatRule(
      (offsets[end] ?? 0) - start === sizeBytes,
      `the chunks of artefact ${name} do not add up to its size`,
    );
  }
  return { root, chunker, artefacts, entriesPerPage, count, ids, lengths, offsets };
}
