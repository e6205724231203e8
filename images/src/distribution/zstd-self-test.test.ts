// The self-test must pass here and catch a zstd that ignores its dictionary.

import { expect, test } from "vitest";
import { canBeDictionary, compress, expand } from "./zstd.ts";
import { testZstdDictionaries, ZstdUnfitError } from "./zstd-self-test.ts";

test("This Node honours dictionaries.", async () => {
  await testZstdDictionaries();
});

test("A zstd that ignores the dictionary is found out.", async () => {
  const ignoring = {
    compressWith: (_dictionary: Uint8Array, plain: Uint8Array, level: number) =>
      compress(plain, level),
    expand,
  };
  await expect(testZstdDictionaries(ignoring)).rejects.toThrow(ZstdUnfitError);
});

test("A frame that expands to more than was promised is refused.", async () => {
  const frame = await compress(new Uint8Array(5000), 3);
  await expect(expand(frame, 4999)).rejects.toThrow();
});

test("Content that looks like a trained dictionary is not used as one.", () => {
  expect(canBeDictionary(new Uint8Array([0x37, 0xa4, 0x30, 0xec, 1, 2]))).toBe(false);
  expect(canBeDictionary(new Uint8Array([0x37, 0xa4, 0x30, 0xed]))).toBe(true);
  expect(canBeDictionary(new Uint8Array())).toBe(false);
});
