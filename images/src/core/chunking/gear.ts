// The two interchangeable engines that search cuts and sample fingerprints: WebAssembly (about
// 4 GB/s) and plain TypeScript (about 1 GB/s). Both give the same results for the same bytes.

import type { ChunkerParameters } from "@drover/shared/chunk/chunk-index";
import { bytesOfBase64, gearTable } from "./gear-table.ts";
import { gearWasmBase64 } from "./gear-wasm.ts";

/** Searches in its own buffer. Returned arrays are views that the next call overwrites. */
export interface GearEngine {
  /** The bytes to look at are put here, from position 0. */
  readonly data: Uint8Array;
  /**
   * Lengths of the chunks that are certain in the first `length` bytes. Without `last` more bytes
   * follow, and a tail shorter than the longest chunk stays uncut.
   */
  cuts(length: number, chunker: ChunkerParameters, last: boolean): Uint32Array;
  /**
   * Pairs (hash of 32 bytes, position of the last one) at content-chosen places in the first
   * `length` bytes, one in 2^`sparseBits` on average, at most {@link samplesMax}.
   */
  sample(length: number, sparseBits: number): Uint32Array;
}

const gearAt = 1024;
const resultAt = 4096;
const dataAt = 1024 * 1024;

/** Room for bytes in an engine. */
export const engineBytes = 8 * 1024 * 1024;

/** Most pairs one call of `sample` returns. */
export const samplesMax = (dataAt - resultAt) / 8;

const windowBytes = 32;

/** A mask of the `bits` highest of 32 bits. */
function topBits(bits: number): number {
  return bits <= 0 ? 0 : (0xffff_ffff << (32 - bits)) >>> 0;
}

/** Masks that are harder before the average length and easier after it (FastCDC, USENIX ATC 2016). */
function cutMasks({ averageBytes, normalisation }: ChunkerParameters): [number, number] {
  const bits = Math.log2(averageBytes);
  return [topBits(bits + normalisation), topBits(bits - normalisation)];
}

// Neither the ES nor the Node typings declare the part of WebAssembly used here.
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

type Numbers = readonly number[];

interface GearExports {
  cuts(...args: Numbers): number;
  sample(...args: Numbers): number;
}

/** The engine to use: WebAssembly, or TypeScript where a runtime refuses WebAssembly. */
export function createEngine(): GearEngine {
  return typeof WebAssembly === "object" ? wasmEngine() : plainEngine();
}

/** The WebAssembly engine. Takes 9 MiB of memory, which never grows. */
export function wasmEngine(): GearEngine {
  const memory = new WebAssembly.Memory({ initial: (dataAt + engineBytes) / 65_536 });
  const module = new WebAssembly.Module(bytesOfBase64(gearWasmBase64));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const { cuts, sample } = exports as GearExports;
  new Uint32Array(memory.buffer, gearAt, gearTable.length).set(gearTable);
  const result = new Uint32Array(memory.buffer, resultAt, samplesMax * 2);
  return {
    data: new Uint8Array(memory.buffer, dataAt, engineBytes),
    cuts(length, chunker, last) {
      const { minBytes, averageBytes, maxBytes } = chunker;
      const sizes = [minBytes, averageBytes, maxBytes, ...cutMasks(chunker)];
      return result.subarray(0, cuts(dataAt, length, resultAt, ...sizes, last ? 1 : 0));
    },
    sample(length, sparseBits) {
      const count = sample(dataAt, length, topBits(sparseBits), resultAt, samplesMax);
      return result.subarray(0, count * 2);
    },
  };
}

/** The same in TypeScript. */
export function plainEngine(): GearEngine {
  const data = new Uint8Array(engineBytes);
  const result = new Uint32Array(samplesMax * 2);
  return {
    data,
    cuts(length, chunker, last) {
      let offset = 0;
      let count = 0;
      while (offset < length && (last || length - offset >= chunker.maxBytes)) {
        const cut = findCut(data, offset, length - offset, chunker);
        offset += cut;
        result[count] = cut;
        count += 1;
      }
      return result.subarray(0, count);
    },
    sample(length, sparseBits) {
      return result.subarray(0, sampleInto(result, data, length, topBits(sparseBits)) * 2);
    },
  };
}

function findCut(
  data: Uint8Array,
  start: number,
  length: number,
  chunker: ChunkerParameters,
): number {
  const { minBytes, averageBytes, maxBytes } = chunker;
  if (length <= minBytes) return length;
  const [before, after] = cutMasks(chunker);
  const longest = Math.min(length, maxBytes);
  const turn = start + Math.min(longest, averageBytes);
  const end = start + longest;
  let hash = 0;
  let at = start + minBytes;
  while (at < turn) {
    hash = ((hash << 1) + (gearTable[data[at] ?? 0] ?? 0)) | 0;
    at += 1;
    if ((hash & before) === 0) return at - start;
  }
  while (at < end) {
    hash = ((hash << 1) + (gearTable[data[at] ?? 0] ?? 0)) | 0;
    at += 1;
    if ((hash & after) === 0) return at - start;
  }
  return longest;
}

function sampleInto(result: Uint32Array, data: Uint8Array, length: number, mask: number): number {
  const view = new DataView(data.buffer, data.byteOffset, length);
  let hash = 0;
  let count = 0;
  for (let at = 0; at < length; at += 1) {
    hash = ((hash << 1) + (gearTable[data[at] ?? 0] ?? 0)) | 0;
    if ((hash & mask) !== 0 || at < windowBytes - 1) continue;
    if (count >= samplesMax) return count;
    result[count * 2] = windowHash(view, at - windowBytes + 1);
    result[count * 2 + 1] = at;
    count += 1;
  }
  return count;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** Murmur3-style 32-bit hash of the 32 bytes from `start`. */
function windowHash(view: DataView, start: number): number {
  let hash = 0x9747_b28c | 0;
  for (let at = start; at < start + windowBytes; at += 4) {
    const word = Math.imul(
      rotateLeft(Math.imul(view.getUint32(at, true), 0xcc9e_2d51), 15),
      0x1b87_3593,
    );
    hash = (Math.imul(rotateLeft(hash ^ word, 13), 5) + 0xe654_6b64) | 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
