// Proves over random pairs of images that a delta gives the new image byte for byte, that damage to
// its frames is refused, and that damage to the base costs exactly the chunks that needed it.

import fc from "fast-check";
import { expect, test } from "vitest";
import { applyInMemory, whole } from "./apply-fixtures.ts";
import { planFromDelta, planFromPacks } from "./apply-plan.ts";
import { flipBit, type TinyImage, tinyImage, tinyPack } from "./chunk-fixtures.ts";
import { chunkIdHex, chunkNumbers } from "./chunk-index.ts";
import { type Delta, type DeltaOp, deltaLimits } from "./delta.ts";
import {
  encodeDeltaHeader,
  encodeDeltaPrefix,
  parseDeltaHeader,
  parseDeltaPrefix,
} from "./delta-codec.ts";
import { sha256, sha256Hex } from "./digest.ts";
import { ChunkDigestError } from "./errors.ts";

const letters = fc.array(fc.array(fc.nat(14), { maxLength: 9 }), { maxLength: 3 });

/** One operation per chunk; frames and header are not compressed. */
function tinyDelta(base: TinyImage, next: TinyImage): { object: Uint8Array; delta: Delta } {
  const inBase = chunkNumbers(base.index);
  const firsts = chunkNumbers(next.index);
  const frames: Uint8Array[] = [];
  const ops = next.chunks.map((frame, first): DeltaOp => {
    const id = chunkIdHex(next.index, first);
    const baseFirst = inBase.get(id);
    const fromFirst = firsts.get(id) ?? first;
    if (baseFirst !== undefined) return { kind: "copy", first, count: 1, baseFirst };
    if (fromFirst < first) return { kind: "repeat", first, count: 1, fromFirst };
    frames.push(frame);
    const check = sha256(frame).slice(0, deltaLimits.checkBytes);
    const dictionary = first < base.index.count ? [first] : [];
    return { kind: "literal", first, count: 1, frameBytes: frame.length, check, dictionary };
  });
  const baseRoot = base.index.root;
  const header = encodeDeltaHeader({ baseRoot, newIndex: next.index, newHeader: next.header, ops });
  const prefix = encodeDeltaPrefix(header, header.length);
  const delta = parseDeltaHeader({
    header,
    prefix: parseDeltaPrefix(prefix),
    base: base.index,
    newRoot: next.index.root,
  });
  return { object: Buffer.concat([prefix, header, ...frames]), delta };
}

test("Every pair of images is bridged by a delta of exactly the planned bytes.", async () => {
  await fc.assert(
    fc.asyncProperty(letters, letters, fc.nat(), async (from, to, rightBits) => {
      const [base, next] = [tinyImage(from), tinyImage(to)];
      const { object, delta } = tinyDelta(base, next);
      expect(delta.objectBytes).toBe(object.length);
      const right = (number: number): boolean => ((rightBits >>> (number % 31)) & 1) === 1;
      const deltaDigest = sha256Hex(object);
      const plan = planFromDelta({ delta, base: base.index, deltaDigest, right });
      const sources = [whole(base)];
      const trial = await applyInMemory({ plan, next, object, sources, right });
      expect(trial.out).toEqual(whole(next).flat);
      expect(trial.requestedBytes).toBe(plan.totals.fetchBytes);
      const { keepBytes, imageBytes } = plan.totals;
      expect(keepBytes + trial.outcome.writtenBytes).toBe(imageBytes);
    }),
    { numRuns: 300 },
  );
});

test("A damaged base costs only the chunks that needed it, and packs make up for them.", async () => {
  await fc.assert(
    fc.asyncProperty(letters, letters, fc.nat(), async (from, to, bit) => {
      const [base, next] = [tinyImage([[1], ...from]), tinyImage(to)];
      const { object, delta } = tinyDelta(base, next);
      const plan = planFromDelta({ delta, base: base.index, deltaDigest: sha256Hex(object) });
      const sources = [{ image: base, flat: flipBit(whole(base).flat, bit) }];
      const first = await applyInMemory({ plan, next, object, sources });
      const unmade = new Set(first.outcome.unmade);
      const right = (number: number): boolean => !unmade.has(number);
      for (let number = 0; number < next.index.count; number += 1) {
        const [at, end] = [next.index.offsets[number], next.index.offsets[number + 1]];
        const isMade =
          Buffer.compare(first.out.subarray(at, end), next.chunks[number] ?? object) === 0;
        expect(isMade).toBe(right(number));
      }
      const { pack, table } = tinyPack(next);
      const repair = planFromPacks({ newIndex: next.index, table, right });
      const second = await applyInMemory({ plan: repair, next, object: pack, right });
      expect(second.out).toEqual(whole(next).flat);
    }),
    { numRuns: 200 },
  );
});

test("A flipped bit in any frame is refused.", async () => {
  const [base, next] = [
    tinyImage([[1, 2]]),
    tinyImage([
      [1, 3, 4],
      [5, 2],
    ]),
  ];
  const { object, delta } = tinyDelta(base, next);
  const plan = planFromDelta({ delta, base: base.index, deltaDigest: sha256Hex(object) });
  const frames = plan.fetches.flatMap((range) => range.frames);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...frames), fc.nat(), async ({ offset, sizeBytes }, bit) => {
      const damaged = new Uint8Array(object);
      damaged.set(flipBit(object.subarray(offset, offset + sizeBytes), bit), offset);
      const trial = applyInMemory({ plan, next, object: damaged, sources: [whole(base)] });
      await expect(trial).rejects.toThrow(ChunkDigestError);
    }),
  );
});
