// Carries plans out in memory for tests, with frames that are plain chunks, and checks on the way that
// no run crosses an artefact.

import type { ApplyPlan } from "./apply-plan.ts";
import { type ApplyOutcome, applyPlan } from "./apply-run.ts";
import { flatten, sliceRun, type TinyImage } from "./chunk-fixtures.ts";
import { type ChunkIndex, chunksToArtefactEnd } from "./chunk-index.ts";
import { formatRule } from "./errors.ts";

/** An image at hand and the bytes that are really there. */
export interface TinySource {
  readonly image: TinyImage;
  readonly flat: Uint8Array;
}

/** What came of a plan. */
export interface Trial {
  readonly out: Uint8Array;
  readonly outcome: ApplyOutcome;
  readonly requestedBytes: number;
}

/** An image with nothing wrong. */
export function whole(image: TinyImage): TinySource {
  return { image, flat: flatten(image, () => false) };
}

function readRun(index: ChunkIndex, flat: Uint8Array, first: number, count: number): Uint8Array {
  formatRule(chunksToArtefactEnd(index, first) >= count, "a run crosses two artefacts");
  return sliceRun(index, flat, first, count);
}

/** Applies `plan`; every object is `object`, and fetched bytes arrive in pieces of `pieceBytes`. */
export async function applyInMemory(input: {
  readonly plan: ApplyPlan;
  readonly next: TinyImage;
  readonly object: Uint8Array;
  readonly sources?: readonly TinySource[];
  readonly right?: (number: number) => boolean;
  readonly pieceBytes?: number;
}): Promise<Trial> {
  const { plan, next, object, sources = [], right = () => false, pieceBytes = 17 } = input;
  const out = flatten(next, (number) => !right(number));
  let requestedBytes = 0;
  const outcome = await applyPlan({
    plan,
    newIndex: next.index,
    sources: sources.map(({ image }) => image.index),
    ports: {
      async readSource(source, first, count) {
        const from = sources[source];
        if (from === undefined) throw new RangeError("no such source");
        return readRun(from.image.index, from.flat, first, count);
      },
      readNew: async (first, count) => readRun(next.index, out, first, count),
      async write(first, count, bytes) {
        readRun(next.index, out, first, count);
        out.set(bytes, next.index.offsets[first]);
      },
      async *fetch({ offset, sizeBytes }) {
        requestedBytes += sizeBytes;
        for (let at = offset; at < offset + sizeBytes; at += pieceBytes) {
          yield object.subarray(at, Math.min(at + pieceBytes, offset + sizeBytes));
        }
      },
      inflate: async (frame) => frame,
    },
  });
  return { out, outcome, requestedBytes };
}
