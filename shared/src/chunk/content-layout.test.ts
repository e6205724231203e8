// Names in URLs are strict: what is not a name of ours is no name at all.

import { expect, test } from "vitest";
import {
  contentKinds,
  contentPath,
  deltaPointerPath,
  packTablePointerPath,
  parseContentPath,
  parseContentPointer,
} from "./content-layout.ts";
import { ChunkFormatError } from "./errors.ts";

const digest = "0123456789abcdef".repeat(4);

test("Every kind of content has one path, and the path gives the name back.", () => {
  expect(contentPath({ kind: "pack", digest })).toBe(`content/pack/${digest}`);
  for (const kind of contentKinds) {
    expect(parseContentPath(contentPath({ kind, digest }))).toEqual({ kind, digest });
  }
});

test("Paths that climb, shout, stop short or go on name nothing.", () => {
  for (const path of [
    "",
    "content/pack",
    `content/pack/${digest.toUpperCase()}`,
    `content/pack/${digest}/x`,
    `content/secret/${digest}`,
    `content/pack/../pack/${digest}`,
    `/content/pack/${digest}`,
  ]) {
    expect(parseContentPath(path)).toBeUndefined();
  }
  expect(() => contentPath({ kind: "pack", digest: "../../etc/passwd" })).toThrow(ChunkFormatError);
});

test("Pointers name what they lead to and drop fields they do not know.", () => {
  expect(deltaPointerPath(digest, digest)).toBe(`pointer/delta/${digest}-${digest}`);
  expect(packTablePointerPath(digest)).toBe(`pointer/pack-table/${digest}`);
  const pointer = { v: 1, digest, sizeBytes: 12 };
  expect(parseContentPointer(JSON.stringify({ ...pointer, later: true }))).toEqual(pointer);
  expect(() => parseContentPointer('{"v":1}')).toThrow(ChunkFormatError);
  expect(() => parseContentPointer("<html>")).toThrow(ChunkFormatError);
});
