// The computer's own clock and randomness, behind the ports that decisions are tested with.
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "@drover/shared/clock";
import { idTail } from "@drover/shared/ids";
import type { IdSource } from "../loops/bus-ports.ts";

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  async wait(ms, signal) {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  },
};

export const systemIds: IdSource = { idTail: () => idTail(randomBytes(20)) };
