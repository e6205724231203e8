// The limit on tries: per address, per window, with bounded memory.
import { expect, test } from "vitest";
import { rateLimit } from "./rate-limit.ts";

test("Tries beyond the limit are refused until the window is over.", () => {
  const limit = rateLimit({ triesMax: 2, windowMs: 1000 });
  expect([0, 1, 2].map((now) => limit.allow("a", now))).toEqual([true, true, false]);
  expect(limit.allow("b", 2)).toBe(true);
  expect(limit.allow("a", 1000)).toBe(true);
});

test("The oldest addresses are forgotten first.", () => {
  const limit = rateLimit({ triesMax: 1, windowMs: 1000, keysMax: 2 });
  for (const key of ["a", "b", "c"]) limit.allow(key, 0);
  expect(limit.allow("c", 1)).toBe(false);
  expect(limit.allow("a", 1)).toBe(true);
});
