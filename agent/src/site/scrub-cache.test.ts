// The scrub of the image cache over a clock that the test moves.
import { ImageId } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import { expect, test } from "vitest";
import { scrubCache, scrubRoundMs } from "./scrub-cache.ts";

const images = ["3", "1", "2"].map((digit) => ImageId.parse(digit.repeat(64)));

/** Scrubs until `reads` images were read; answers their first digits and the waits. */
async function scrubbed(reads: number, fails = false) {
  const stop = new AbortController();
  const read: string[] = [];
  const waits: number[] = [];
  const cache = {
    whole: () => images,
    async scrub(imageId: ImageId) {
      read.push(imageId.slice(0, 1));
      if (read.length === reads) stop.abort();
      if (fails) throw new Error("the disk does not answer");
      return true;
    },
  };
  const clock = {
    now: () => 0,
    monotonicMs: () => 0,
    async wait(ms: number) {
      waits.push(ms);
    },
  };
  await scrubCache({ cache, clock, log: silentLog }, stop.signal);
  return { read: read.join(""), waits };
}

test("Every image is read once in a round, in turn.", async () => {
  const { read, waits } = await scrubbed(6);
  expect(read).toBe("123123");
  expect(waits.slice(0, 3).reduce((sum, ms) => sum + ms, 0)).toBe(scrubRoundMs);
});

test("An image that cannot be read does not end the scrub.", async () => {
  expect((await scrubbed(4, true)).read).toBe("1231");
});
