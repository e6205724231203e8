// The chunk index in memory: which chunks, in which order, make up all artefacts of an image. Chunk
// numbers run over all artefacts; no chunk spans two artefacts; an index that exists is consistent.

import { digestBytes, toHex } from "./digest.ts";
import { formatRule } from "./errors.ts";

/** Parameters of FastCDC with a 32-bit gear; they are part of what an index means. */
export interface ChunkerParameters {
  /** No chunk but the last of an artefact is shorter. */
  readonly minBytes: number;
  /** A power of two. */
  readonly averageBytes: number;
  readonly maxBytes: number;
  /** Bits by which the cut mask is harder before, and easier after, `averageBytes`. */
  readonly normalisation: number;
}

/** What every image of ours is cut with. */
export const standardChunker: ChunkerParameters = {
  minBytes: 16 * 1024,
  averageBytes: 64 * 1024,
  maxBytes: 256 * 1024,
  normalisation: 2,
};

/** One file of an image, for example the root file system, as a run of chunks. */
export interface Artefact {
  /** Lower-case letters, digits, dot and hyphen, at most 64. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly firstChunk: number;
  readonly chunkCount: number;
}

/** A whole, checked index. */
export interface ChunkIndex {
  /** SHA-256 (hex) of the encoded header with its page table; the manifest binds it. */
  readonly root: string;
  readonly chunker: ChunkerParameters;
  readonly artefacts: readonly Artefact[];
  readonly entriesPerPage: number;
  readonly count: number;
  /** `count` × 32 bytes: SHA-256 of each chunk's raw bytes. */
  readonly ids: Uint8Array;
  /** Raw length of each chunk, in bytes. */
  readonly lengths: Uint32Array;
  /** `count` + 1 positions in the concatenation of all artefacts. */
  readonly offsets: Float64Array;
}

/** Where a run of chunks lies in the artefacts. */
export interface ArtefactSpan {
  readonly artefact: Artefact;
  /** Byte position inside the artefact. */
  readonly offset: number;
}

export const indexLimits = {
  /** Chunks of one image: 256 GB at the standard average. */
  entriesMax: 4 * 1024 * 1024,
  artefactsMax: 64,
  chunkBytesMax: 1024 * 1024,
  headerBytesMax: 1024 * 1024,
  entriesPerPageMax: 65_536,
  entriesPerPage: 4096,
} as const;

/** Throws {@link ChunkFormatError} unless a chunker could work with these parameters. */
export function checkChunker(chunker: ChunkerParameters): void {
  const { minBytes, averageBytes, maxBytes, normalisation } = chunker;
  const bits = Math.log2(averageBytes);
  formatRule(
    minBytes >= 32 && minBytes < averageBytes && averageBytes < maxBytes,
    "the chunker's sizes must rise from minimum (at least 32) over average to maximum",
  );
  formatRule(maxBytes <= indexLimits.chunkBytesMax, "a chunk may not be longer than 1 MiB");
  formatRule(Number.isInteger(bits), "the chunker's average must be a power of two");
  formatRule(
    normalisation <= 4 && bits > normalisation,
    "the chunker's normalisation is too large",
  );
}

/** The chunk's id as 32 raw bytes (a view). */
export function chunkId(index: ChunkIndex, number: number): Uint8Array {
  return index.ids.subarray(number * digestBytes, (number + 1) * digestBytes);
}

/** The chunk's id as hex. */
export function chunkIdHex(index: ChunkIndex, number: number): string {
  return toHex(chunkId(index, number));
}

/** Raw length of one chunk, in bytes. Zero for a number outside the index. */
export function chunkBytes(index: ChunkIndex, number: number): number {
  return index.lengths[number] ?? 0;
}

/** Raw length of `count` chunks from `first`, in bytes. */
export function runBytes(index: ChunkIndex, first: number, count: number): number {
  return (index.offsets[first + count] ?? 0) - (index.offsets[first] ?? 0);
}

/** Length of all artefacts together, in bytes. */
export function imageBytes(index: ChunkIndex): number {
  return index.offsets[index.count] ?? 0;
}

/** First chunk number of every distinct id (hex). */
export function chunkNumbers(index: ChunkIndex): Map<string, number> {
  const numbers = new Map<string, number>();
  for (let number = 0; number < index.count; number += 1) {
    const id = chunkIdHex(index, number);
    if (!numbers.has(id)) numbers.set(id, number);
  }
  return numbers;
}

/** The artefact that holds chunk `number`, and where in it the chunk starts. */
export function locateChunk(index: ChunkIndex, number: number): ArtefactSpan {
  const artefact = index.artefacts.find(
    (candidate) =>
      number >= candidate.firstChunk && number < candidate.firstChunk + candidate.chunkCount,
  );
  formatRule(artefact !== undefined, `chunk ${number} is outside the index`);
  const start = index.offsets[artefact.firstChunk] ?? 0;
  return { artefact, offset: (index.offsets[number] ?? 0) - start };
}

/** How many chunks from `number` on lie in the same artefact. */
export function chunksToArtefactEnd(index: ChunkIndex, number: number): number {
  const { artefact } = locateChunk(index, number);
  return artefact.firstChunk + artefact.chunkCount - number;
}
