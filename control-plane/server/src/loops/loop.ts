// The driver of every loop: looks when woken and every so often, one look at a time. A failed look is
// logged and tried again after a bounded, growing pause; nothing but the abort signal ends a loop.
import type { Clock } from "@drover/shared/clock";
import { FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import { jitteredMs, type Random } from "@drover/shared/random";

export interface LoopOptions {
  readonly name: string;
  readonly everyMs: number;
  /** One look; takes no input but re-reads all it needs. `again` asks for another at once. */
  readonly once: (signal: AbortSignal) => Promise<{ readonly again: boolean }>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly backOffMsMax?: number;
}

export interface Loop {
  /** Says "look": a wake-up during a look makes it look once more. */
  wake(): void;
  /** Resolves when the loop has ended, after its last look. */
  readonly done: Promise<void>;
}

const backOffMsMin = 500;

export function startLoop(options: LoopOptions): Loop {
  const alarm = { woken: false, interrupt: new AbortController() };
  const wake = (): void => {
    alarm.woken = true;
    alarm.interrupt.abort();
  };
  options.signal.addEventListener("abort", wake, { once: true });
  return { wake, done: run(options, alarm) };
}

interface Alarm {
  woken: boolean;
  interrupt: AbortController;
}

async function run(options: LoopOptions, alarm: Alarm): Promise<void> {
  const { signal, random } = options;
  let failures = 0;
  while (!signal.aborted) {
    alarm.woken = false;
    alarm.interrupt = new AbortController();
    const result = await look(options);
    if (signal.aborted) return;
    failures = result === "failed" ? failures + 1 : 0;
    if (result === "again" || (alarm.woken && failures === 0)) continue;
    // After a failure a wake-up must not shorten the pause, or a broken store would be hammered.
    if (failures > 0) await pause(options, backOffMs(options, failures), signal);
    else await pause(options, jitteredMs(options.everyMs, 0.2, random), alarm.interrupt.signal);
  }
}

async function look(options: LoopOptions): Promise<"again" | "done" | "failed"> {
  const { log, name, signal } = options;
  try {
    return (await options.once(signal)).again ? "again" : "done";
  } catch (error) {
    if (signal.aborted) return "done";
    const code = error instanceof FleetError ? error.code : "bug";
    if (isRace(error)) log.debug({ loop: name, code }, "loop was overtaken");
    else log.error({ loop: name, code, err: error }, "loop look failed");
    return "failed";
  }
}

/** Somebody else decided since the facts were read: normal between replicas. */
export function isRace(error: unknown): boolean {
  return (
    error instanceof FleetError &&
    (error.code === "lease-lost" || error.code === "version-conflict")
  );
}

function backOffMs({ backOffMsMax = 30_000, random }: LoopOptions, failures: number): number {
  const full = Math.min(backOffMsMax, backOffMsMin * 2 ** Math.min(failures - 1, 20));
  return jitteredMs(full * 0.75, 1 / 3, random);
}

async function pause({ clock }: LoopOptions, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  try {
    await clock.wait(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
