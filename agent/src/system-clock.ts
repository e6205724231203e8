// The real clock of this computer.
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "@drover/shared/clock";

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  wait: async (ms, signal) => {
    await sleep(ms, undefined, signal ? { signal } : {});
  },
};
