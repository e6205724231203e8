// Deadlines grow with the slowness of the computer and never shrink.
import { afterEach, expect, test } from "vitest";
import { coreSlowness, deadlineMs } from "./deadline.ts";

const before = process.env["DROVER_SLOWNESS"];
afterEach(() => {
  if (before === undefined) delete process.env["DROVER_SLOWNESS"];
  else process.env["DROVER_SLOWNESS"] = before;
});

test("a deadline is at least ten times the quiet figure and is measured once", () => {
  expect(coreSlowness()).toBeGreaterThanOrEqual(1);
  expect(coreSlowness()).toBe(coreSlowness());
  expect(deadlineMs(100)).toBeGreaterThanOrEqual(1000);
});

test("a slowness that was asked for multiplies it", () => {
  process.env["DROVER_SLOWNESS"] = "50";
  expect(deadlineMs(100)).toBeGreaterThanOrEqual(50_000);
});
