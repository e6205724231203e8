// Pins the bytes of a delta's header and proves that a damaged or mismatched one is refused.

import fc from "fast-check";
import { expect, test } from "vitest";
import { flipBit, type TinyImage, tinyImage } from "./chunk-fixtures.ts";
import type { DeltaOp } from "./delta.ts";
import {
  encodeDeltaHeader,
  encodeDeltaPrefix,
  parseDeltaHeader,
  parseDeltaPrefix,
  verifyDeltaHeaderFrame,
} from "./delta-codec.ts";
import { sha256, toHex } from "./digest.ts";
import { ChunkDigestError, ChunkFormatError } from "./errors.ts";

const base = tinyImage([[1, 2, 3, 4, 5]]);
const next = tinyImage([
  [1, 2, 9, 3, 9],
  [10, 11, 2],
]);
const check = sha256(new Uint8Array()).slice(0, 8);
const ops: DeltaOp[] = [
  { kind: "copy", first: 0, count: 2, baseFirst: 0 },
  { kind: "literal", first: 2, count: 1, frameBytes: 20, check, dictionary: [0, 3, 4] },
  { kind: "copy", first: 3, count: 1, baseFirst: 2 },
  { kind: "repeat", first: 4, count: 1, fromFirst: 2 },
  { kind: "literal", first: 5, count: 2, frameBytes: 70, check, dictionary: [] },
  { kind: "copy", first: 7, count: 1, baseFirst: 1 },
];

function headerOf(to: TinyImage, operations: readonly DeltaOp[]): Uint8Array {
  const { index: newIndex, header: newHeader } = to;
  return encodeDeltaHeader({ baseRoot: base.index.root, newIndex, newHeader, ops: operations });
}

function parse(header: Uint8Array, from = base, to = next) {
  const prefix = parseDeltaPrefix(encodeDeltaPrefix(header, header.length));
  return parseDeltaHeader({ header, prefix, base: from.index, newRoot: to.index.root });
}

test("Prefix and header of a fixed delta have these bytes for ever.", () => {
  const header = headerOf(next, ops);
  expect(toHex(encodeDeltaPrefix(header, 1000))).toBe(
    [
      "445256440100000060010000e8030000b944e1e4d60dbe609171bbd4303e78f6c14f4026c7d345754540",
      "70d60514c539",
    ].join(""),
  );
  expect(toHex(header)).toBe(
    [
      "f720f41ba01ed29fd99234b078eab5eaba971a3b982193c724dc4a1ecb791237b2000000445256490100",
      "0000b20000000101000020000000400000000001000003000000080000000300000002000000026130b8",
      "00000000000000000000000500000002613177000000000000000500000003000000304bf57c3f012ff2",
      "b2d0091b24e4d5c5a5adbfe8ef33b6f602345c37299dfa83ed723b9f27f4eb52320b69f3e506c2b4a324",
      "e672c19491a9ced7344c39e79e30c8e3b983dcdb1718c325a6e3b06d556d42977e97a8fed8a6678d8667",
      "7d7dd47f000200020114e3b0c44298fc1c14bc229f639e8757b81b4fbbf345ebf5c1343b22d4f4f47aff",
      "5104b7d3cf3f87d02903000301000100010102020246e3b0c44298fc1c14bc36543ec875d8c87eeea4f9",
      "8635b5f240e54c3bce52444d3006c8d6e6c240df2afc82ef7e36d9b4fef474bce6bd321417ffc33fae7b",
      "bcaff6fba9b372319211c92b00000103",
    ].join(""),
  );
});

test("A header gives back its operations, the whole new index and where each frame lies.", () => {
  const header = headerOf(next, ops);
  const delta = parse(header);
  const start = 48 + header.length;
  expect(delta.ops).toEqual(ops);
  expect(delta.newIndex).toEqual(next.index);
  expect(delta.frameOffsets.filter((offset) => offset !== undefined)).toEqual([start, start + 20]);
  expect(delta.objectBytes).toBe(start + 90);
});

test("A flipped bit in the prefix or in the header's frame is refused before it is expanded.", () => {
  const frame = headerOf(next, ops);
  const prefixBytes = encodeDeltaPrefix(frame, frame.length);
  const read = (prefixBits: Uint8Array, frameBits: Uint8Array): void => {
    const prefix = parseDeltaPrefix(prefixBits);
    verifyDeltaHeaderFrame(prefix, frameBits.subarray(0, prefix.headerFrameBytes));
    parseDeltaHeader({ header: frame, prefix, base: base.index, newRoot: next.index.root });
  };
  read(prefixBytes, frame);
  fc.assert(
    fc.property(fc.nat(), (bit) => {
      expect(() => read(flipBit(prefixBytes, bit), new Uint8Array([...frame, ...frame]))).toThrow();
      expect(() => read(prefixBytes, flipBit(frame, bit))).toThrow(ChunkDigestError);
    }),
    { numRuns: 500 },
  );
});

test("An expanded header with any bit flipped never leads to another index.", () => {
  const header = headerOf(next, ops);
  fc.assert(
    fc.property(fc.nat(), (bit) => {
      try {
        expect(parse(flipBit(header, bit)).newIndex).toEqual(next.index);
      } catch (error) {
        const isRefusal = error instanceof ChunkFormatError || error instanceof ChunkDigestError;
        expect(isRefusal, String(error)).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});

test("A delta between other indexes is refused by name.", () => {
  const header = headerOf(next, ops);
  expect(() => parse(header, next)).toThrow("the delta starts from index");
  expect(() => parse(header, base, base)).toThrow("the delta leads to index");
});

test("Operations that reach outside base, output or frame limits are refused.", () => {
  const refuse = (op: DeltaOp, sentence: string): void => {
    expect(() => parse(headerOf(next, [op, ...ops.slice(1)]))).toThrow(sentence);
  };
  refuse({ kind: "copy", first: 0, count: 2, baseFirst: 4 }, "does not have");
  refuse({ kind: "repeat", first: 0, count: 2, fromFirst: 0 }, "not described yet");
  const literal = { kind: "literal", first: 0, count: 2, check, dictionary: [] } as const;
  refuse({ ...literal, frameBytes: 9000 }, "impossible length");
  refuse({ ...literal, frameBytes: 9, dictionary: [5] }, "base does not have");
  refuse({ ...literal, frameBytes: 9, dictionary: [2, 2] }, "ascending");
  refuse({ ...literal, frameBytes: 9, count: 7 }, "two artefacts");
});
