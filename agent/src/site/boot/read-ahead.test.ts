// Reading ahead gives the same bytes as reading directly, in fewer reads.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BootFile } from "./ports.ts";
import { ReadAhead } from "./read-ahead.ts";

const content = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);

function counted(): { file: BootFile; reads: () => number } {
  let count = 0;
  const readInto = async (buffer: Uint8Array, offset: number) => {
    count += 1;
    const bytes = content.subarray(offset, offset + buffer.length);
    buffer.set(bytes);
    return bytes.length;
  };
  return {
    file: { sizeBytes: content.length, readInto, close: async () => undefined },
    reads: () => count,
  };
}

test("any sequence of reads gives the bytes of the file", async () => {
  const asked = fc.array(fc.tuple(fc.nat(200_000), fc.nat(70_000)), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(asked, async (ranges) => {
      const ahead = new ReadAhead(counted().file);
      for (const [offset, length] of ranges) {
        const bytes = await ahead.read(offset, length);
        expect(Buffer.compare(bytes, content.subarray(offset, offset + length))).toBe(0);
      }
    }),
  );
});

test("blocks in order cost one read of the file for many", async () => {
  const { file, reads } = counted();
  const ahead = new ReadAhead(file);
  for (let offset = 0; offset < content.length; offset += 1468)
    await ahead.read(offset, Math.min(1468, content.length - offset));
  expect(reads()).toBe(4);
});
