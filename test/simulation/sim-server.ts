// One replica of the control plane: the real loops over a store that is slow, and at which the whole
// process may die before or after any commit. What was committed stays; everything else is gone.
import { beatBook, flushBeats } from "@drover/server/loops/beat-loop";
import type { AckPublisher, IdSource, Sealer } from "@drover/server/loops/bus-ports";
import { issueDesired } from "@drover/server/loops/desired-loop";
import { answerGrants } from "@drover/server/loops/grant-loop";
import { type Loop, startLoop } from "@drover/server/loops/loop";
import { publishOutbox } from "@drover/server/loops/outbox-loop";
import type { LoopStore } from "@drover/server/loops/ports";
import { ingestReports } from "@drover/server/loops/report-loop";
import { lookAtRollouts } from "@drover/server/loops/rollout-loop";
import { FleetError } from "@drover/shared/errors";
import type { Log, LogFields } from "@drover/shared/log";
import type { Faults } from "./faults.ts";
import type { SimBus } from "./sim-bus.ts";
import type { SimClock } from "./sim-clock.ts";

export interface SimServerParts {
  readonly name: string;
  readonly store: LoopStore;
  readonly bus: SimBus;
  readonly acks: AckPublisher;
  readonly clock: SimClock;
  readonly faults: Faults;
  readonly sealer: Sealer;
  readonly ids: IdSource;
  /** Told of every failure that is neither a race nor a crash: a bug. */
  readonly onBug: (error: unknown) => void;
}

/** Thrown inside a process that is dead already; nobody is left to see it. */
export class ProcessDiedError extends FleetError {
  readonly code = "process-died";
}

export interface SimServer {
  readonly alive: () => boolean;
  crash(): void;
  wakeAll(): void;
}

const everyMs = 15_000;

export function startServer(parts: SimServerParts): SimServer {
  const { bus, clock, faults } = parts;
  const life = new AbortController();
  const crash = (): void => life.abort(new ProcessDiedError("the process died"));
  const store = mortalStore(parts, life.signal, crash);
  const random = faults.random.fork(`${parts.name} ${clock.now()}`);
  const log = watchingLog(parts, life.signal);
  const leading = { store, clock, log, holder: `${parts.name} ${clock.now()}` };
  const loops = new Map<string, Loop>();
  const wake = (name: string) => (): void => loops.get(name)?.wake();
  const start = (
    name: string,
    once: (signal: AbortSignal) => Promise<{ again: boolean }>,
    ms = everyMs,
  ): void => {
    const options = { name, everyMs: ms, once, clock, random, log, signal: life.signal };
    loops.set(name, startLoop(options));
  };
  const { sealer, ids } = parts;
  const source = bus.grantSource();
  start("rollouts", () => lookAtRollouts({ ...leading, ids, wakeDesired: wake("desired") }));
  start("desired", () => issueDesired({ ...leading, sealer, wakeOutbox: wake("outbox") }));
  start("outbox", () => publishOutbox({ ...leading, publisher: bus.publisher }));
  const wakeRollouts = wake("rollouts");
  start(
    "grants",
    (signal) => answerGrants({ ...leading, source, sealer, ids, wakeRollouts }, signal),
    2_000,
  );
  const ingest = { store, source: bus.reportSource, acks: parts.acks, clock, log, wakeRollouts };
  start("reports", (signal) => ingestReports(ingest, signal));
  const book = beatBook();
  start("beats", () => flushBeats({ store, clock, log }, book));
  bus.wakeReports = wake("reports");
  bus.onBeat = (message) => book.take(message);
  const wakeAll = (): void => {
    for (const loop of loops.values()) loop.wake();
  };
  return { alive: () => !life.signal.aborted, crash, wakeAll };
}

/** Every call takes time; while faults are on, a few kill the process around their commit. */
function mortalStore(
  { store, clock, faults }: SimServerParts,
  life: AbortSignal,
  crash: () => void,
): LoopStore {
  return new Proxy(store, {
    get(inner, name, receiver) {
      const method: unknown = Reflect.get(inner, name, receiver);
      if (typeof method !== "function") return method;
      return async (...args: unknown[]): Promise<unknown> => {
        const stalled = faults.strikes("server-stalled", 0.0006);
        await clock.wait(faults.random.integer(stalled ? 60_000 : 12), life);
        if (faults.strikes("server-crashed-before-commit", 0.0006)) crash();
        life.throwIfAborted();
        const result: unknown = await Reflect.apply(method, inner, args);
        if (faults.strikes("server-crashed-after-commit", 0.0006)) crash();
        await clock.wait(faults.random.integer(12), life);
        return result;
      };
    },
  });
}

/** Races are counted, anything else that fails is a bug. */
function watchingLog({ faults, onBug }: SimServerParts, life: AbortSignal): Log {
  const log: Log = {
    debug: ({ code }: LogFields) => {
      if (code === "lease-lost" || code === "version-conflict") faults.note(code);
    },
    info() {},
    warn() {},
    error: ({ err }: LogFields) => {
      if (!life.aborted && !(err instanceof ProcessDiedError)) onBug(err);
    },
    child: () => log,
  };
  return log;
}
