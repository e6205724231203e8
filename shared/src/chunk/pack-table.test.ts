// Pins the bytes of the pack table and proves that a table never points outside its packs.

import fc from "fast-check";
import { expect, test } from "vitest";
import { flipBit, tinyImage, tinyPack } from "./chunk-fixtures.ts";
import { sha256Hex, toHex } from "./digest.ts";
import { ChunkFormatError } from "./errors.ts";
import {
  checkPackPrefix,
  encodePackTable,
  type PackTable,
  packPrefix,
  parsePackTable,
} from "./pack-table.ts";

test("The table of a fixed image and the start of a pack have these bytes for ever.", () => {
  const bytes = encodePackTable(tinyPack(tinyImage([[1, 2, 1], [3]])).table);
  expect(toHex(bytes)).toBe(
    [
      "4452565401000000410a831a1e99197d708523f590c95417da48fa9871ed68b4faf7d5a055a9bc200400",
      "000001000000010000005e7327af3bd8f17e841dd5155f0f854bd6117219af9a4884260e81007064418f",
      "8f000000000000000800000004000000210000220000210000230000",
    ].join(""),
  );
  expect(toHex(packPrefix())).toBe("4452565001000000");
});

test("A pack of another version is refused.", () => {
  checkPackPrefix(packPrefix());
  expect(() => checkPackPrefix(flipBit(packPrefix(), 33))).toThrow("version 3");
  expect(() => checkPackPrefix(new Uint8Array(8))).toThrow("not a pack");
});

test("Every table comes back as it was, also when chunks lie in several packs in any order.", () => {
  const digests = ["a", "b", "c"].map((name) => sha256Hex(new TextEncoder().encode(name)));
  const location = fc.record({
    pack: fc.constantFrom(...digests),
    offset: fc.integer({ min: 8, max: 60_000_000 }),
    sizeBytes: fc.integer({ min: 1, max: 300_000 }),
  });
  fc.assert(
    fc.property(fc.array(location), (locations) => {
      const packs = digests.map((digest) => ({ digest, sizeBytes: 64 * 1024 * 1024 }));
      const table: PackTable = { indexRoot: digests[0] ?? "", packs, locations };
      expect(parsePackTable(encodePackTable(table))).toEqual(table);
    }),
  );
});

test("A damaged table is refused or still points inside its packs.", () => {
  const bytes = encodePackTable(
    tinyPack(
      tinyImage([
        [1, 2, 3, 1, 5],
        [3, 8],
      ]),
    ).table,
  );
  fc.assert(
    fc.property(fc.nat(), (bit) => {
      const flipped = flipBit(bytes, bit);
      expect(sha256Hex(flipped)).not.toBe(sha256Hex(bytes));
      try {
        const { packs, locations } = parsePackTable(flipped);
        for (const { pack, offset, sizeBytes } of locations) {
          const found = packs.find(({ digest }) => digest === pack);
          expect(offset + sizeBytes).toBeLessThanOrEqual(found?.sizeBytes ?? 0);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(ChunkFormatError);
      }
    }),
    { numRuns: 500 },
  );
});

test("Cut-off tables and tables with more bytes are refused.", () => {
  const bytes = encodePackTable(tinyPack(tinyImage([[1, 2, 3]])).table);
  for (let length = 0; length < bytes.length; length += 1) {
    expect(() => parsePackTable(bytes.subarray(0, length))).toThrow(ChunkFormatError);
  }
  expect(() => parsePackTable(new Uint8Array([...bytes, 0]))).toThrow("another length");
});

test("Tables of every length around a power of two are written whole.", () => {
  for (let count = 290; count < 360; count += 1) {
    const { table } = tinyPack(tinyImage([Array.from({ length: count }, (_, letter) => letter)]));
    expect(parsePackTable(encodePackTable(table)).locations).toHaveLength(count);
  }
});
