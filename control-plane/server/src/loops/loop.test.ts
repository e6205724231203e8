// The loop driver: one look at a time, woken or in time, and no failure ends it.
import type { Clock } from "@drover/shared/clock";
import { silentLog } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import { describe, expect, it } from "vitest";
import { forEach } from "./each.ts";
import { LeaseLostError } from "./errors.ts";
import { startLoop } from "./loop.ts";

/** A clock whose pauses end when the test says so. */
function handClock() {
  const pauses: { ms: number; end: () => void }[] = [];
  const clock: Clock = {
    now: () => 0,
    monotonicMs: () => 0,
    wait: (ms, signal) =>
      new Promise((resolve, reject) => {
        pauses.push({ ms, end: resolve });
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
  };
  return { clock, pauses };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function loopOf(once: () => Promise<{ again: boolean }>) {
  const { clock, pauses } = handClock();
  const abort = new AbortController();
  const loop = startLoop({
    name: "test",
    everyMs: 1000,
    once,
    clock,
    random: seededRandom(1),
    log: silentLog,
    signal: abort.signal,
  });
  return { loop, pauses, abort };
}

describe("a loop", () => {
  it("looks at once, then after a jittered pause, and ends with the signal", async () => {
    let looks = 0;
    const { loop, pauses, abort } = loopOf(async () => {
      looks += 1;
      return { again: false };
    });
    await settled();
    expect(looks).toBe(1);
    expect(pauses[0]?.ms).toBeGreaterThanOrEqual(800);
    expect(pauses[0]?.ms).toBeLessThanOrEqual(1200);
    pauses[0]?.end();
    await settled();
    expect(looks).toBe(2);
    abort.abort();
    await loop.done;
  });

  it("never looks twice at the same time, and once more when woken during a look", async () => {
    let looks = 0;
    const ends: (() => void)[] = [];
    const { loop, abort } = loopOf(async () => {
      looks += 1;
      await new Promise<void>((resolve) => ends.push(resolve));
      return { again: false };
    });
    await settled();
    loop.wake();
    loop.wake();
    await settled();
    expect(looks).toBe(1);
    ends[0]?.();
    await settled();
    expect(looks).toBe(2);
    ends[1]?.();
    await settled();
    expect(looks).toBe(2);
    abort.abort();
    await loop.done;
  });

  it("goes on after a failure with growing, bounded pauses that no wake-up shortens", async () => {
    const { loop, pauses, abort } = loopOf(async () => {
      throw new Error("the store is down");
    });
    for (let n = 0; n < 12; n += 1) {
      await settled();
      loop.wake();
      await settled();
      expect(pauses).toHaveLength(n + 1);
      pauses[n]?.end();
    }
    expect(pauses[0]?.ms).toBeLessThanOrEqual(500);
    expect(pauses[5]?.ms).toBeGreaterThan(5000);
    for (const { ms } of pauses) expect(ms).toBeLessThanOrEqual(30_000);
    abort.abort();
    pauses.at(-1)?.end();
    await loop.done;
  });
});

describe("work on many things", () => {
  it("goes on with the others when one fails", async () => {
    const done: number[] = [];
    const work = async (n: number) => {
      if (n === 2) throw new Error("broken");
      done.push(n);
    };
    const { failed } = await forEach([1, 2, 3], work, { log: silentLog, fields: (n) => ({ n }) });
    expect([done, failed]).toEqual([[1, 3], 1]);
  });

  it("stops at a lost lease, for every later write would be refused too", async () => {
    const done: number[] = [];
    const work = async (n: number) => {
      if (n === 2) throw new LeaseLostError("rollouts", 1);
      done.push(n);
    };
    const round = forEach([1, 2, 3], work, { log: silentLog, fields: (n) => ({ n }) });
    await expect(round).rejects.toMatchObject({ code: "lease-lost" });
    expect(done).toEqual([1]);
  });
});
