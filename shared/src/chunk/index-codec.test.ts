// Pins the bytes of the chunk index and proves that damage is refused.

import fc from "fast-check";
import { expect, test } from "vitest";
import { flipBit, tinyChunker, tinyImage } from "./chunk-fixtures.ts";
import { sha256, toHex } from "./digest.ts";
import { ChunkDigestError, ChunkFormatError } from "./errors.ts";
import { decodeIndex, encodeIndex, parseIndexHeader, verifyPage } from "./index-codec.ts";

const letters = fc.array(fc.nat(30), { maxLength: 12 });
const images = fc.array(letters, { maxLength: 4 });

test("The header of a fixed image has these bytes for ever.", () => {
  const { header, index, pages } = tinyImage([[1, 2, 1], [3]]);
  expect(toHex(header)).toBe(
    [
      "445256490100000092000000010100002000000040000000000100000300000004000000020000000200",
      "00000261306400000000000000000000000300000002613123000000000000000300000001000000a6dc",
      "4995c256a3a8ad19118c30fe51e34f785044f065da8a934c3897cb90054543cfa101322528f35d24be91",
      "efcfe79f2b9cf99e5373c1aa98da77d9994f806b",
    ].join(""),
  );
  expect(index.root).toBe("410a831a1e99197d708523f590c95417da48fa9871ed68b4faf7d5a055a9bc20");
  expect(toHex(pages[1] ?? new Uint8Array())).toBe(
    "36f0d8f7aa60b518b0873efd8f8e4591fceba0e4c767fd29cab45b7daf34efb823000000",
  );
});

test("An index comes back from its header and pages as it was.", () => {
  fc.assert(
    fc.property(images, (artefacts) => {
      const { header, index, pages } = tinyImage(artefacts);
      expect(decodeIndex(parseIndexHeader(header), pages)).toEqual(index);
    }),
  );
});

test("A flipped bit in a header gives another root or is refused.", () => {
  fc.assert(
    fc.property(images, fc.nat(), (artefacts, bit) => {
      const { header, index } = tinyImage(artefacts);
      let root: string | undefined;
      try {
        root = parseIndexHeader(flipBit(header, bit)).root;
      } catch (error) {
        expect(error).toBeInstanceOf(ChunkFormatError);
      }
      expect(root).not.toBe(index.root);
    }),
    { numRuns: 500 },
  );
});

test("A flipped bit in a page, or a page in another's place, is refused.", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { minLength: 7, maxLength: 12 }), fc.nat(), (list, bit) => {
      const image = tinyImage([list]);
      const header = parseIndexHeader(image.header);
      const page = image.pages[0] ?? new Uint8Array();
      expect(() => verifyPage(header, 0, flipBit(page, bit))).toThrow(ChunkDigestError);
      expect(() => verifyPage(header, 5, page)).toThrow(ChunkDigestError);
      expect(() => decodeIndex(header, image.pages.slice(1))).toThrow(ChunkFormatError);
    }),
  );
});

test("Random bytes and cut-off headers are refused, never misread.", () => {
  const { header } = tinyImage([[1, 2, 3, 4]]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(header.length - 1), (noise, length) => {
      expect(() => parseIndexHeader(noise)).toThrow(ChunkFormatError);
      expect(() => parseIndexHeader(header.subarray(0, length))).toThrow(ChunkFormatError);
    }),
  );
});

test("Chunk lengths that the chunker can't give are refused.", () => {
  const entry = (lengthBytes: number) => ({ id: sha256(new Uint8Array(1)), lengthBytes });
  const make = (...lengths: number[]) =>
    encodeIndex({
      chunker: tinyChunker,
      artefacts: [{ name: "root", entries: lengths.map(entry) }],
    });
  expect(make(32, 256, 1).index.artefacts[0]?.sizeBytes).toBe(289);
  expect(() => make(31, 64)).toThrow("impossible length 31");
  expect(() => make(64, 257)).toThrow("impossible length 257");
  expect(() => make(64, 0)).toThrow("impossible length 0");
});

test("Artefact names are unique, short and plain.", () => {
  const make = (...names: string[]) =>
    encodeIndex({ chunker: tinyChunker, artefacts: names.map((name) => ({ name, entries: [] })) });
  expect(make("root.erofs", "kernel").index.count).toBe(0);
  expect(() => make("root", "root")).toThrow("occurs twice");
  expect(() => make("../root")).toThrow("unusable name");
});
