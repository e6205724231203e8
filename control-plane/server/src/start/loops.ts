// Starts every loop with its ports. Each loop looks on a period and whenever another one wakes it.
import { randomBytes } from "node:crypto";
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import type { LoopBus } from "../bus/loop-bus.ts";
import type { FleetSealer } from "../keys/sealer.ts";
import { beatBook, flushBeats } from "../loops/beat-loop.ts";
import type { Sealer } from "../loops/bus-ports.ts";
import { issueDesired } from "../loops/desired-loop.ts";
import { answerGrants } from "../loops/grant-loop.ts";
import { type Loop, startLoop } from "../loops/loop.ts";
import { publishOutbox } from "../loops/outbox-loop.ts";
import type { LoopStore } from "../loops/ports.ts";
import { ingestReports } from "../loops/report-loop.ts";
import { lookAtRollouts } from "../loops/rollout-loop.ts";
import { systemIds } from "./system-clock.ts";

export interface RunningLoops {
  wakeRollouts(): void;
  wakeDesired(): void;
  wakeOutbox(): void;
  /** Resolves when every loop has ended after the abort. */
  readonly done: Promise<void>;
}

export const loopSealer = (sealer: FleetSealer): Sealer => ({
  sealDesired: async (document) => sealer.desired(document),
  sealGrant: async (document) => sealer.grant(document),
});

export function startLoops(options: {
  store: LoopStore;
  bus: LoopBus;
  sealer: FleetSealer;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}): RunningLoops {
  const { store, bus, clock, log, signal } = options;
  const holder = `${process.pid}-${randomBytes(6).toString("hex")}`;
  const random = seededRandom(randomBytes(4).readUInt32LE());
  const sealer = loopSealer(options.sealer);
  const leading = { store, clock, holder, log };
  const running: Record<string, Loop> = {};
  const wake = (name: string) => (): void => running[name]?.wake();
  const start = (
    name: string,
    everyMs: number,
    once: (signal: AbortSignal) => Promise<{ again: boolean }>,
  ) => {
    running[name] = startLoop({ name, everyMs, once, clock, random, log, signal });
  };
  const wakes = {
    wakeRollouts: wake("rollouts"),
    wakeDesired: wake("desired"),
    wakeOutbox: wake("outbox"),
  };
  const beats = beatBook();
  bus.onBeat(beats.take, signal);
  start("rollouts", 5_000, () => lookAtRollouts({ ...leading, ...wakes, ids: systemIds }));
  start("desired", 5_000, () => issueDesired({ ...leading, ...wakes, sealer }));
  start("outbox", 5_000, () => publishOutbox({ ...leading, publisher: bus }));
  start("reports", 50, (abort) =>
    ingestReports({ store, source: bus, acks: bus, clock, log, ...wakes }, abort),
  );
  start("beats", 1_000, () => flushBeats({ store, clock, log }, beats));
  start("grants", 1_000, (abort) =>
    answerGrants({ ...leading, ...wakes, source: bus, sealer, ids: systemIds }, abort),
  );
  const done = Promise.all(Object.values(running).map((loop) => loop.done)).then(() => undefined);
  return { ...wakes, done };
}
