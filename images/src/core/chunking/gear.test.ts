// The chunk format must never drift: table, compiled code and cuts are pinned here.

import { createHash } from "node:crypto";
import { type ChunkerParameters, standardChunker } from "@drover/shared/chunk/chunk-index";
import { seededRandom } from "@drover/shared/random";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createChunker } from "./chunker.ts";
import { createEngine, engineBytes, type GearEngine, plainEngine, wasmEngine } from "./gear.ts";
import { gearTable } from "./gear-table.ts";

const small: ChunkerParameters = {
  minBytes: 64,
  averageBytes: 256,
  maxBytes: 1024,
  normalisation: 2,
};
const wasm = wasmEngine();
const plain = plainEngine();

function noise(seed: number, length: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random.integer(256));
}

function lengthsInPieces(
  engine: GearEngine,
  bytes: Uint8Array,
  parameters: ChunkerParameters,
  pieceBytes = bytes.length,
): number[] {
  const chunker = createChunker(engine, parameters);
  const lengths: number[] = [];
  const take = (chunk: Uint8Array): void => void lengths.push(chunk.length);
  for (let at = 0; at < bytes.length; ) {
    const room = chunker.room();
    const piece = bytes.subarray(at, at + Math.min(pieceBytes, room.length));
    room.set(piece);
    chunker.filled(piece.length, take);
    at += piece.length;
  }
  chunker.finish(take);
  return lengths;
}

test("The gear table is made of the digests its name promises.", () => {
  const expected = Array.from({ length: 256 }, (_, value) =>
    createHash("sha256").update(`drover-gear-v1:${value}`).digest().readUInt32LE(0),
  );
  expect([...gearTable]).toEqual(expected);
});

test("Cuts of a fixed stream never change.", () => {
  const lengths = lengthsInPieces(createEngine(), noise(7, 1_000_000), standardChunker);
  expect(lengths).toEqual([
    123436, 76569, 70323, 71488, 23834, 73818, 75593, 80882, 63019, 65991, 71138, 76687, 70581,
    27325, 29316,
  ]);
});

test("Both engines cut and sample alike, whatever the pieces the bytes arrive in.", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 0, max: 40_000 }),
      fc.integer({ min: 1, max: 9000 }),
      fc.boolean(),
      (seed, length, pieceBytes, repetitive) => {
        const bytes = noise(seed, length);
        if (repetitive) bytes.fill(seed & 0xff, length / 4, length / 2);
        const whole = lengthsInPieces(wasm, bytes, small);
        expect(lengthsInPieces(wasm, bytes, small, pieceBytes)).toEqual(whole);
        expect(lengthsInPieces(plain, bytes, small, pieceBytes)).toEqual(whole);
        expect(whole.reduce((sum, chunk) => sum + chunk, 0)).toBe(length);
        expect(whole.slice(0, -1).every((chunk) => chunk > 64 && chunk <= 1024)).toBe(true);
        wasm.data.set(bytes);
        plain.data.set(bytes);
        expect(plain.sample(length, 4)).toEqual(wasm.sample(length, 4));
      },
    ),
    { numRuns: 60 },
  );
});

test("A stream longer than the engine's buffer is cut as if the buffer were endless.", () => {
  const bytes = new Uint8Array(engineBytes + 3_000_000);
  const block = noise(11, 700_001);
  for (let at = 0; at < bytes.length; at += block.length) {
    bytes.set(block.subarray(0, bytes.length - at), at);
  }
  const inOdd = lengthsInPieces(wasm, bytes, standardChunker, 999_983);
  expect(lengthsInPieces(plain, bytes, standardChunker)).toEqual(inOdd);
  // Resynchronises: the same block gives the same chunks each time it comes round.
  expect(new Set(inOdd).size).toBeLessThan(40);
});

test("An edit moves only the cuts next to it.", () => {
  const before = noise(3, 400_000);
  const after = new Uint8Array(400_017);
  after.set(before.subarray(0, 200_000));
  after.set(noise(4, 17), 200_000);
  after.set(before.subarray(200_000), 200_017);
  const ends = (lengths: number[]): number[] => {
    let end = 0;
    return lengths.map((length) => {
      end += length;
      return end;
    });
  };
  const old = new Set(ends(lengthsInPieces(wasm, before, small)));
  const moved = ends(lengthsInPieces(wasm, after, small)).filter(
    (end) => !old.has(end) && !old.has(end - 17),
  );
  expect(moved.length).toBeLessThan(8);
});
