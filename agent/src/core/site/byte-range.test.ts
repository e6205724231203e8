// HTTP ranges of a file of 100 bytes.
import { expect, test } from "vitest";
import { parseRange } from "./byte-range.ts";

test.each([
  ["bytes=0-9", { first: 0, length: 10 }],
  ["bytes=90-", { first: 90, length: 10 }],
  ["bytes=90-1000", { first: 90, length: 10 }],
  ["bytes=-5", { first: 95, length: 5 }],
  ["bytes=-1000", { first: 0, length: 100 }],
  ["bytes=100-", "unsatisfiable"],
  ["bytes=-0", "unsatisfiable"],
  [undefined, undefined],
  ["bytes=-", undefined],
  ["bytes=9-5", undefined],
  ["bytes=0-1,5-6", undefined],
  ["lines=0-9", undefined],
])("%s reads as %j", (header, range) => expect(parseRange(header, 100)).toEqual(range));

test("no range of an empty file can be satisfied", () => {
  expect(parseRange("bytes=0-", 0)).toBe("unsatisfiable");
});
