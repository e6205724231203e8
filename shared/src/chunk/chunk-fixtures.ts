// Small images for tests: an artefact is a list of letters (numbers), each a chunk of fixed noise, so
// that equal letters are equal chunks and two lists compare like two images.

import { seededRandom } from "../random.ts";
import { type ChunkerParameters, type ChunkIndex, chunkBytes } from "./chunk-index.ts";
import { sha256, sha256Hex } from "./digest.ts";
import { type EncodedIndex, encodeIndex } from "./index-codec.ts";
import { type PackTable, packPrefix } from "./pack-table.ts";

export const tinyChunker: ChunkerParameters = {
  minBytes: 32,
  averageBytes: 64,
  maxBytes: 256,
  normalisation: 1,
};

/** An encoded index and the bytes of each chunk. */
export interface TinyImage extends EncodedIndex {
  readonly chunks: readonly Uint8Array[];
}

/** The chunk that a letter stands for: 32 to 231 bytes. */
export function chunkOf(letter: number): Uint8Array {
  const random = seededRandom(letter);
  return Uint8Array.from({ length: 32 + (letter % 200) }, () => random.integer(256));
}

/** An image whose artefacts are named a0, a1… Pages hold three entries. */
export function tinyImage(artefacts: readonly (readonly number[])[]): TinyImage {
  const encoded = encodeIndex({
    chunker: tinyChunker,
    entriesPerPage: 3,
    artefacts: artefacts.map((letters, position) => ({
      name: `a${position}`,
      entries: letters.map((letter) => {
        const chunk = chunkOf(letter);
        return { id: sha256(chunk), lengthBytes: chunk.length };
      }),
    })),
  });
  return { ...encoded, chunks: artefacts.flat().map(chunkOf) };
}

/** One pack whose frames are the plain chunks (for an `inflate` that copies), with its table. */
export function tinyPack(image: TinyImage): { pack: Uint8Array; table: PackTable } {
  const parts = [packPrefix(), ...image.chunks];
  const pack = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    pack.set(part, at);
    at += part.length;
  }
  const digest = sha256Hex(pack);
  const locations = image.chunks.map((chunk, number) => ({
    pack: digest,
    offset: packPrefix().length + (image.index.offsets[number] ?? 0),
    sizeBytes: chunk.length,
  }));
  const packs = [{ digest, sizeBytes: pack.length }];
  return { pack, table: { indexRoot: image.index.root, packs, locations } };
}

/** `bytes` with one bit turned over; `bit` counts from the start, modulo the length. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  const at = (bit >>> 3) % bytes.length;
  flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

/** The chunks of an image as one array; chunks of `missing` stay zero. */
export function flatten(image: TinyImage, missing: (number: number) => boolean): Uint8Array {
  const { index } = image;
  const flat = new Uint8Array(index.offsets[index.count] ?? 0);
  for (const [number, chunk] of image.chunks.entries()) {
    if (!missing(number)) flat.set(chunk, index.offsets[number]);
  }
  return flat;
}

/** Raw bytes of a run out of a flattened image. */
export function sliceRun(
  index: ChunkIndex,
  flat: Uint8Array,
  first: number,
  count: number,
): Uint8Array {
  let length = 0;
  for (let number = first; number < first + count; number += 1) length += chunkBytes(index, number);
  const at = index.offsets[first] ?? 0;
  return flat.slice(at, at + length);
}
