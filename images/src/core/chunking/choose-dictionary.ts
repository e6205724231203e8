// Chooses the old chunks whose bytes become the zstd dictionary of one frame: the most similar ones,
// then the neighbours of what surrounds the new bytes, within the size a small node can hold.

import { type ChunkIndex, chunkBytes, runBytes } from "@drover/shared/chunk/chunk-index";
import { deltaLimits } from "@drover/shared/chunk/delta";
import type { IndexDifference, MissingRun } from "./diff-indexes.ts";
import type { Votes } from "./fingerprints.ts";

/** Less than one sampled window: a neighbour never displaces a chunk that really resembles. */
const neighbourVote = 0.5;

/** Base chunk numbers, ascending. `votes` is not changed. */
export function chooseDictionary(input: {
  readonly base: ChunkIndex;
  readonly next: ChunkIndex;
  readonly differences: readonly IndexDifference[];
  /** Position of the run in `differences`. */
  readonly position: number;
  readonly run: MissingRun;
  readonly votes: Votes;
}): number[] {
  const { base, run } = input;
  const plainBytes = runBytes(input.next, run.first, run.count);
  const countMax = Math.ceil((plainBytes * 2) / base.chunker.averageBytes) + 2;
  const ranked = new Map(input.votes);
  for (const number of neighbours(input, countMax / 2)) {
    if (number >= 0 && number < base.count && !ranked.has(number)) {
      ranked.set(number, neighbourVote);
    }
  }
  const best = [...ranked].sort(
    ([leftNumber, left], [rightNumber, right]) => right - left || leftNumber - rightNumber,
  );
  const chosen: number[] = [];
  let sizeBytes = 0;
  for (const [number] of best) {
    if (chosen.length >= countMax) break;
    const length = chunkBytes(base, number);
    if (sizeBytes + length > deltaLimits.dictionaryBytesMax) continue;
    chosen.push(number);
    sizeBytes += length;
  }
  return chosen.sort((left, right) => left - right);
}

/** Base chunks just after the copy before the run, and just before the copy after it. */
function neighbours(
  input: { readonly differences: readonly IndexDifference[]; readonly position: number },
  count: number,
): number[] {
  const before = input.differences[input.position - 1];
  const after = input.differences[input.position + 1];
  const numbers: number[] = [];
  for (let i = 0; i < count; i += 1) {
    if (before?.kind === "copy") numbers.push(before.baseFirst + before.count + i);
    if (after?.kind === "copy") numbers.push(after.baseFirst - 1 - i);
  }
  return numbers;
}
