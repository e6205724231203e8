// The streamed verity tree equals one computed level by level, for any number of blocks.

import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryDisk } from "./block-io.ts";
import { bytesOfHex, hexOf, joinBytes, sameBytes } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";
import { mebibyte } from "./layout.ts";
import {
  verityLevels,
  verityPlacement,
  verityTable,
  verityTreeBytes,
  verityWriter,
} from "./verity.ts";

const saltHex = "0123456789abcdef".repeat(4);
const salt = bytesOfHex(saltHex);

function blocksOf(count: number): Uint8Array {
  const data = new Uint8Array(count * 4096);
  for (let i = 0; i < count; i += 1) data.fill((i * 7 + 1) & 0xff, i * 4096, i * 4096 + 100);
  return data;
}

/** The textbook way: whole levels in memory. */
function plainTree(data: Uint8Array): { root: string; tree: Uint8Array } {
  const digests = (bytes: Uint8Array): Uint8Array[] => {
    const found: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 4096) {
      const block = bytes.subarray(at, at + 4096);
      found.push(createHash("sha256").update(salt).update(block).digest());
    }
    return found;
  };
  const levels: Uint8Array[] = [];
  let hashes = digests(data);
  while (hashes.length > 1) {
    const level = new Uint8Array(Math.ceil(hashes.length / 128) * 4096);
    level.set(joinBytes(hashes));
    levels.unshift(level);
    hashes = digests(level);
  }
  return { root: hexOf(hashes[0] ?? new Uint8Array(0)), tree: joinBytes(levels) };
}

describe("verity", () => {
  test.each([1, 2, 127, 128, 129, 128 * 128, 128 * 128 + 1])(
    "equals the plain tree for %i blocks",
    (n) => {
      const data = blocksOf(n);
      const tree = memoryDisk(verityTreeBytes(n));
      const writer = verityWriter({ dataBlocks: n, saltHex, tree });
      for (let at = 0; at < data.length; at += 37 * 4096) {
        writer.feed(data.subarray(at, Math.min(data.length, at + 37 * 4096)));
      }
      const expected = plainTree(data);
      expect(writer.finish()).toBe(expected.root);
      expect(sameBytes(tree.bytes, expected.tree)).toBe(true);
    },
  );

  test("levels shrink by 128 down to one block; one data block needs no tree", () => {
    expect(verityLevels(1)).toEqual([]);
    expect(verityLevels(129)).toEqual([1, 2]);
    expect(verityLevels(1_048_576)).toEqual([1, 64, 8192]);
  });

  test("the tree always fits behind its place, and less than 2 MiB stay unused", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 65_536 }), (mib) => {
        const { hashOffsetBytes } = verityPlacement(mib * mebibyte);
        const end = hashOffsetBytes + verityTreeBytes(hashOffsetBytes / 4096);
        expect(end).toBeLessThanOrEqual(mib * mebibyte);
        expect(mib * mebibyte - end).toBeLessThan(2 * mebibyte);
      }),
      { numRuns: 50 },
    );
  });

  test("too little, too much or ragged data is refused", () => {
    const tree = memoryDisk(4096);
    const writer = verityWriter({ dataBlocks: 2, saltHex: "", tree });
    expect(() => writer.feed(new Uint8Array(100))).toThrow(DiskInputError);
    writer.feed(new Uint8Array(4096));
    expect(() => writer.finish()).toThrow(/1 of 2/);
    expect(() => writer.feed(new Uint8Array(3 * 4096))).toThrow(/more/);
  });

  test("the table names data and tree in one partition", () => {
    const request = {
      partition: "/dev/vda5",
      dataBlocks: 2,
      hashStartBlock: 256,
      rootHash: "ab",
      saltHex,
    };
    expect(verityTable(request)).toBe(
      `0 16 verity 1 /dev/vda5 /dev/vda5 4096 4096 2 256 sha256 ab ${saltHex}`,
    );
  });
});
