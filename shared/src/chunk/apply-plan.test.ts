// Proves over random images that a plan covers every chunk once, costs what it says, and gives the
// new image byte for byte, and that damaged bytes are never written.

import fc from "fast-check";
import { expect, test } from "vitest";
import { applyInMemory, whole } from "./apply-fixtures.ts";
import { chooseTier, planFromPacks } from "./apply-plan.ts";
import { flipBit, tinyImage, tinyPack } from "./chunk-fixtures.ts";
import { ChunkDigestError } from "./errors.ts";

const artefacts = fc.array(fc.array(fc.nat(12), { maxLength: 10 }), { maxLength: 3 });

test("Random images are rebuilt byte for byte from any sources, with the bytes the plan named.", async () => {
  await fc.assert(
    fc.asyncProperty(
      artefacts,
      fc.array(artefacts, { maxLength: 2 }),
      fc.nat(),
      fc.constantFrom(0, 50, 100_000),
      fc.integer({ min: 1, max: 500 }),
      async (letters, sourceLetters, rightBits, gapBytesMax, pieceBytes) => {
        const next = tinyImage(letters);
        const sources = sourceLetters.map((list) => whole(tinyImage(list)));
        const { pack, table } = tinyPack(next);
        const right = (number: number): boolean => ((rightBits >>> (number % 31)) & 1) === 1;
        const indexes = sources.map(({ image }) => image.index);
        const plan = planFromPacks({
          newIndex: next.index,
          table,
          sources: indexes,
          right,
          gapBytesMax,
        });
        const { out, outcome, requestedBytes } = await applyInMemory({
          plan,
          next,
          object: pack,
          sources,
          right,
          pieceBytes,
        });
        expect(out).toEqual(whole(next).flat);
        const { totals } = plan;
        expect(requestedBytes).toBe(totals.fetchBytes);
        expect(totals.keepBytes + outcome.writtenBytes).toBe(totals.imageBytes);
        expect(outcome.writtenBytes).toBe(
          totals.copyBytes + totals.repeatBytes + totals.literalBytes,
        );
        expect(outcome.unmade).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});

test("A flipped bit in a pack is refused and nothing wrong is written.", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(12), { minLength: 1 }), fc.nat(), async (list, bit) => {
      const next = tinyImage([list]);
      const { pack, table } = tinyPack(next);
      const plan = planFromPacks({ newIndex: next.index, table });
      const range = plan.fetches[0];
      const frame = range?.frames[bit % range.frames.length];
      if (frame === undefined) throw new RangeError("a plan without frames");
      const damaged = pack.slice();
      damaged.set(
        flipBit(pack.subarray(frame.offset, frame.offset + frame.sizeBytes), bit),
        frame.offset,
      );
      await expect(applyInMemory({ plan, next, object: damaged })).rejects.toThrow(
        ChunkDigestError,
      );
    }),
  );
});

test("A damaged source marks its chunks, and a second plan fetches exactly those.", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(12), { minLength: 1, maxLength: 12 }),
      fc.nat(),
      async (list, bit) => {
        const next = tinyImage([list]);
        const { pack, table } = tinyPack(next);
        const source = { ...whole(next), flat: flipBit(whole(next).flat, bit) };
        const plan = planFromPacks({ newIndex: next.index, table, sources: [next.index] });
        expect(plan.totals.fetchBytes).toBe(0);
        const first = await applyInMemory({ plan, next, object: pack, sources: [source] });
        const unmade = new Set(first.outcome.unmade);
        const right = (number: number): boolean => !unmade.has(number);
        const repair = planFromPacks({ newIndex: next.index, table, right });
        const second = await applyInMemory({ plan: repair, next, object: pack, right });
        expect(second.out).toEqual(whole(next).flat);
        expect(second.outcome.writtenBytes + first.outcome.writtenBytes).toBe(
          plan.totals.imageBytes,
        );
      },
    ),
  );
});

test("A fetch that ends early or goes on too long is refused.", async () => {
  const next = tinyImage([[1, 2, 3]]);
  const { pack, table } = tinyPack(next);
  const plan = planFromPacks({ newIndex: next.index, table });
  const cut = pack.subarray(0, pack.length - 1);
  await expect(applyInMemory({ plan, next, object: cut, pieceBytes: 1000 })).rejects.toThrow(
    "less than asked for",
  );
  const [range] = plan.fetches;
  if (range === undefined) throw new RangeError("a plan without fetches");
  const [frame] = range.frames;
  const short = { ...plan, fetches: [{ ...range, frames: frame === undefined ? [] : [frame] }] };
  await expect(applyInMemory({ plan: short, next, object: pack })).rejects.toThrow(
    "more than asked for",
  );
});

test("Missing chunks close together are one request, up to the allowed gap.", () => {
  const next = tinyImage([[1, 2, 3, 4, 5]]);
  const held = tinyImage([[2, 4]]);
  const { table } = tinyPack(next);
  const plan = (gapBytesMax: number) =>
    planFromPacks({ newIndex: next.index, table, sources: [held.index], gapBytesMax }).totals;
  expect(plan(0)).toMatchObject({ requestCount: 3, fetchBytes: 33 + 35 + 37 });
  expect(plan(36)).toMatchObject({ requestCount: 1, fetchBytes: 33 + 34 + 35 + 36 + 37 });
});

test("Nothing is fetched that is in place anywhere in the image.", () => {
  const next = tinyImage([
    [1, 2, 3],
    [2, 3, 1],
  ]);
  const { table } = tinyPack(next);
  const plan = planFromPacks({ newIndex: next.index, table, right: (number) => number >= 3 });
  expect(plan.totals.fetchBytes).toBe(0);
  expect(plan.repeats.map(({ first, fromFirst }) => [first, fromFirst])).toEqual([
    [0, 5],
    [1, 3],
    [2, 4],
  ]);
});

test("A delta is taken only while it costs at most 80 % of the missing chunks.", () => {
  expect(chooseTier(80, 100).tier).toBe("delta");
  expect(chooseTier(81, 100).tier).toBe("packs");
  expect(chooseTier(undefined, 100)).toEqual({
    tier: "packs",
    because: ["no delta is offered from the image at hand"],
  });
});
