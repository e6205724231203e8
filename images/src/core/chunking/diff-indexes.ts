// Compares two chunk indexes and says, run by run, where the new image's chunks come from. The runs
// cover every new chunk once, in order; a run to be sent is never longer than one frame may be and
// never spans two artefacts.

import {
  type ChunkIndex,
  chunkIdHex,
  chunkNumbers,
  chunksToArtefactEnd,
  runBytes,
} from "@drover/shared/chunk/chunk-index";
import { type CopyOp, deltaLimits, type RepeatOp } from "@drover/shared/chunk/delta";

/** Chunks that neither the base nor the new image up to here holds. */
export interface MissingRun {
  readonly kind: "missing";
  readonly first: number;
  readonly count: number;
}

export type IndexDifference = CopyOp | RepeatOp | MissingRun;

/** The runs of `next` in order. */
export function diffIndexes(base: ChunkIndex, next: ChunkIndex): IndexDifference[] {
  const baseNumbers = chunkNumbers(base);
  const firsts = chunkNumbers(next);
  const differences: IndexDifference[] = [];
  let number = 0;
  // Where the last copy ended: repeated content, such as runs of zeros, should go on from there.
  let expected = 0;
  while (number < next.count) {
    const id = chunkIdHex(next, number);
    const first = firsts.get(id) ?? number;
    const known = expected < base.count && chunkIdHex(base, expected) === id;
    const baseFirst = known ? expected : baseNumbers.get(id);
    if (baseFirst !== undefined) {
      const count = matchingRun(base, baseFirst, next, number);
      differences.push({ kind: "copy", first: number, count, baseFirst });
      expected = baseFirst + count;
    } else if (first < number) {
      differences.push({ kind: "repeat", first: number, count: 1, fromFirst: first });
    } else {
      const isMissing = (candidate: number): boolean => {
        const candidateId = chunkIdHex(next, candidate);
        return !baseNumbers.has(candidateId) && firsts.get(candidateId) === candidate;
      };
      differences.push({
        kind: "missing",
        first: number,
        count: missingRun(next, number, isMissing),
      });
    }
    number += differences.at(-1)?.count ?? 1;
  }
  return differences;
}

function matchingRun(base: ChunkIndex, baseFirst: number, next: ChunkIndex, first: number): number {
  const longest = Math.min(base.count - baseFirst, next.count - first);
  let count = 1;
  while (
    count < longest &&
    chunkIdHex(base, baseFirst + count) === chunkIdHex(next, first + count)
  ) {
    count += 1;
  }
  return count;
}

function missingRun(
  next: ChunkIndex,
  first: number,
  isMissing: (candidate: number) => boolean,
): number {
  const longest = chunksToArtefactEnd(next, first);
  let count = 1;
  while (
    count < longest &&
    runBytes(next, first, count + 1) <= deltaLimits.literalBytesMax &&
    isMissing(first + count)
  ) {
    count += 1;
  }
  return count;
}
