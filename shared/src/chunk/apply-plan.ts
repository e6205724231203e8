// Plans how to write the artefacts of a new image: which chunks stay, which are copied from images
// that are already here, which frames are fetched. Every chunk is covered exactly once, and the
// bytes to fetch are known before the first one is.
//
// The parts may run in the order keeps, copies, fetches, repeats; a repeat reads only chunks that an
// earlier part (or an earlier repeat) has written. No run crosses an artefact in either image.

import {
  type ChunkIndex,
  chunkBytes,
  chunkIdHex,
  chunkNumbers,
  chunksToArtefactEnd,
  imageBytes,
  runBytes,
} from "./chunk-index.ts";
import type { Delta } from "./delta.ts";
import { formatRule } from "./errors.ts";
import { type FetchRange, type FrameUse, mergeFrames } from "./fetch-ranges.ts";
import type { PackTable } from "./pack-table.ts";

/** `count` chunks of the new image from number `first`. */
export interface ChunkRun {
  readonly first: number;
  readonly count: number;
}

/** A run whose bytes are chunks `fromFirst`… of `source`, a position in the list of sources. */
export interface CopyRun extends ChunkRun {
  readonly source: number;
  readonly fromFirst: number;
}

/** A run whose bytes are the new image's own chunks from `fromFirst`. */
export interface RepeatRun extends ChunkRun {
  readonly fromFirst: number;
}

/** Raw bytes of each part, and what it costs on the wire. */
export interface PlanTotals {
  readonly imageBytes: number;
  readonly keepBytes: number;
  readonly copyBytes: number;
  readonly repeatBytes: number;
  /** Raw bytes that come out of fetched frames. */
  readonly literalBytes: number;
  /** Bytes on the wire, gaps between merged frames included; index and headers are not. */
  readonly fetchBytes: number;
  readonly requestCount: number;
}

export interface ApplyPlan {
  readonly keeps: readonly ChunkRun[];
  readonly copies: readonly CopyRun[];
  readonly fetches: readonly FetchRange[];
  readonly repeats: readonly RepeatRun[];
  readonly totals: PlanTotals;
}

/** What is already known to be in place; chunk numbers of the new image. */
export type RightChunks = (number: number) => boolean;

/**
 * Plans from a delta object. The delta's base is source 0. A frame is left out when all its chunks
 * are right already; `deltaDigest` (hex) names the object to fetch from.
 */
export function planFromDelta(input: {
  readonly delta: Delta;
  readonly base: ChunkIndex;
  readonly deltaDigest: string;
  readonly right?: RightChunks;
  readonly gapBytesMax?: number;
}): ApplyPlan {
  const { delta, base } = input;
  const object = { kind: "delta", digest: input.deltaDigest } as const;
  const draft = new PlanDraft(delta.newIndex, input.right ?? (() => false));
  for (const [position, op] of delta.ops.entries()) {
    if (op.kind === "literal") {
      const offset = delta.frameOffsets[position];
      formatRule(offset !== undefined, "the delta does not say where a frame starts");
      const { first, count, frameBytes: sizeBytes, check, dictionary } = op;
      draft.addFrame({
        object,
        offset,
        sizeBytes,
        first,
        count,
        check,
        dictionary,
      });
      continue;
    }
    for (let i = 0; i < op.count; i += 1) {
      const number = op.first + i;
      if (op.kind === "copy") draft.addCopy(number, 0, base, op.baseFirst + i);
      else draft.addRepeat(number, op.fromFirst + i);
    }
  }
  return draft.finish(input.gapBytesMax ?? 0);
}

/**
 * Plans from packs, with any number of images at hand as sources. With none and nothing right this
 * is the full image. The sources must not be the slot that is being written.
 */
export function planFromPacks(input: {
  readonly newIndex: ChunkIndex;
  readonly table: PackTable;
  readonly sources?: readonly ChunkIndex[];
  readonly right?: RightChunks;
  /** Frames closer than this are fetched as one range. */
  readonly gapBytesMax?: number;
}): ApplyPlan {
  const { newIndex, table, sources = [] } = input;
  formatRule(table.indexRoot === newIndex.root, "the pack table belongs to another index");
  formatRule(table.locations.length === newIndex.count, "the pack table has too few chunks");
  const numbers = sources.map(chunkNumbers);
  const right = input.right ?? (() => false);
  const firsts = firstOrRight(newIndex, right);
  const draft = new PlanDraft(newIndex, right);
  for (let number = 0; number < newIndex.count; number += 1) {
    const id = chunkIdHex(newIndex, number);
    const source = numbers.findIndex((known) => known.has(id));
    const index = sources[source];
    const from = numbers[source]?.get(id);
    const location = table.locations[number];
    const first = firsts.get(id);
    if (index !== undefined && from !== undefined) draft.addCopy(number, source, index, from);
    else if (first !== undefined && first !== number) draft.addRepeat(number, first);
    else if (location !== undefined) {
      const { pack: digest, offset, sizeBytes } = location;
      const object = { kind: "pack", digest } as const;
      draft.addFrame({ object, offset, sizeBytes, first: number, count: 1, dictionary: [] });
    }
  }
  return draft.finish(input.gapBytesMax ?? 0);
}

/** For every id a chunk number that holds it: one in place already, else the first. */
function firstOrRight(index: ChunkIndex, right: RightChunks): Map<string, number> {
  const numbers = chunkNumbers(index);
  for (let number = 0; number < index.count; number += 1) {
    if (right(number)) numbers.set(chunkIdHex(index, number), number);
  }
  return numbers;
}

/** Collects runs chunk by chunk, joining neighbours. */
class PlanDraft {
  readonly #index: ChunkIndex;
  readonly #right: RightChunks;
  readonly #keeps: { first: number; count: number }[] = [];
  readonly #copies: { source: number; fromFirst: number; first: number; count: number }[] = [];
  readonly #repeats: { fromFirst: number; first: number; count: number }[] = [];
  readonly #frames: FrameUse[] = [];
  #keepBytes = 0;
  #copyBytes = 0;
  #repeatBytes = 0;

  constructor(index: ChunkIndex, right: RightChunks) {
    this.#index = index;
    this.#right = right;
  }

  addCopy(number: number, source: number, from: ChunkIndex, fromNumber: number): void {
    if (this.#keep(number)) return;
    this.#copyBytes += chunkBytes(this.#index, number);
    const last = this.#copies.at(-1);
    if (
      last !== undefined &&
      last.source === source &&
      this.#follows(last, number) &&
      last.fromFirst + last.count === fromNumber &&
      chunksToArtefactEnd(from, last.fromFirst) > last.count
    ) {
      last.count += 1;
    } else {
      this.#copies.push({ source, fromFirst: fromNumber, first: number, count: 1 });
    }
  }

  addRepeat(number: number, fromNumber: number): void {
    if (this.#keep(number)) return;
    this.#repeatBytes += chunkBytes(this.#index, number);
    const last = this.#repeats.at(-1);
    // A run that reads what it writes would have to be copied chunk by chunk.
    if (
      last !== undefined &&
      this.#follows(last, number) &&
      last.fromFirst + last.count === fromNumber &&
      fromNumber < last.first &&
      chunksToArtefactEnd(this.#index, last.fromFirst) > last.count
    ) {
      last.count += 1;
    } else {
      this.#repeats.push({ fromFirst: fromNumber, first: number, count: 1 });
    }
  }

  addFrame(frame: Omit<FrameUse, "plainBytes">): void {
    const numbers = Array.from({ length: frame.count }, (_, i) => frame.first + i);
    if (numbers.every(this.#right)) {
      for (const number of numbers) this.#keep(number);
    } else {
      const plainBytes = runBytes(this.#index, frame.first, frame.count);
      this.#frames.push({ ...frame, plainBytes });
    }
  }

  finish(gapBytesMax: number): ApplyPlan {
    const fetches = mergeFrames(this.#frames, gapBytesMax);
    const totals = {
      imageBytes: imageBytes(this.#index),
      keepBytes: this.#keepBytes,
      copyBytes: this.#copyBytes,
      repeatBytes: this.#repeatBytes,
      literalBytes: this.#frames.reduce((sum, frame) => sum + frame.plainBytes, 0),
      fetchBytes: fetches.reduce((sum, range) => sum + range.sizeBytes, 0),
      requestCount: fetches.length,
    };
    return {
      keeps: this.#keeps,
      copies: this.#copies,
      fetches,
      repeats: this.#repeats,
      totals,
    };
  }

  /** Records a chunk that is right already; false when it has to be written. */
  #keep(number: number): boolean {
    if (!this.#right(number)) return false;
    this.#keepBytes += chunkBytes(this.#index, number);
    const last = this.#keeps.at(-1);
    if (last !== undefined && this.#follows(last, number)) last.count += 1;
    else this.#keeps.push({ first: number, count: 1 });
    return true;
  }

  #follows(run: ChunkRun, number: number): boolean {
    return (
      run.first + run.count === number && chunksToArtefactEnd(this.#index, run.first) > run.count
    );
  }
}

/** Which tier to use for one update, with reasons. */
export interface TierChoice {
  readonly tier: "delta" | "packs";
  readonly because: readonly string[];
}

/** A delta is taken unless it costs more than 80 % of fetching the missing chunks from packs. */
export function chooseTier(deltaBytes: number | undefined, packBytes: number): TierChoice {
  if (deltaBytes === undefined) {
    return { tier: "packs", because: ["no delta is offered from the image at hand"] };
  }
  const figures = `the delta has ${deltaBytes} bytes, the missing chunks ${packBytes}`;
  const tier = deltaBytes > packBytes * 0.8 ? "packs" : "delta";
  return { tier, because: [figures, `${tier} was chosen at the limit of 80 %`] };
}
