// Keeps one embedded program running: started, probed until ready, started again with back-off when it
// dies, given up in a bounded number of tries. Every change is reported once.
import { setTimeout as delay } from "node:timers/promises";
import { describeError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import { type ChildSpec, type RunningChild, startChild } from "./child-process.ts";
import { EmbeddedError } from "./errors.ts";
import { decideRestart, defaultRestartPolicy, type RestartPolicy } from "./restart-policy.ts";

export type ServiceEvent =
  | { readonly kind: "ready"; readonly name: string; readonly pid: number }
  | { readonly kind: "died"; readonly name: string; readonly because: readonly string[] }
  | { readonly kind: "gave-up"; readonly name: string; readonly because: readonly string[] };

export interface SuperviseOptions {
  /** How people call the service, in messages. */
  readonly name: string;
  readonly spec: ChildSpec;
  /** True once the service answers; asked every 25 ms while it starts. */
  readonly isReady: (pid: number) => Promise<boolean>;
  readonly readyWithinMs: number;
  readonly log: Log;
  readonly onEvent?: ((event: ServiceEvent) => void) | undefined;
  readonly policy?: RestartPolicy | undefined;
  /** Runs before every start, the first included: ends leftovers of an earlier life. */
  readonly prepare?: () => Promise<void>;
  /** A better error for the end of the service's log, if the cause is known. */
  readonly explain?: (logTail: string) => Error | undefined;
}

export interface SupervisedService {
  pid(): number;
  stop(): Promise<void>;
}

/**
 * Starts the service and resolves once it is ready.
 * @throws EmbeddedError `embedded-start-failed`, or what `explain` gave
 */
export async function supervise(options: SuperviseOptions): Promise<SupervisedService> {
  const stopping = new AbortController();
  const state = { child: await startUntilReady(options) };
  const keeper = keepRunning(options, state, stopping.signal);
  return {
    pid: () => state.child.pid,
    async stop() {
      stopping.abort();
      await state.child.stop();
      await keeper;
      // A restart may have been under way while the first stop ran.
      await state.child.stop();
    },
  };
}

async function startUntilReady(options: SuperviseOptions): Promise<RunningChild> {
  await options.prepare?.();
  const child = startChild(options.spec);
  const startedAt = performance.now();
  while (!child.isEnded()) {
    if (await options.isReady(child.pid)) {
      options.onEvent?.({ kind: "ready", name: options.name, pid: child.pid });
      return child;
    }
    if (performance.now() - startedAt > options.readyWithinMs) {
      await child.stop();
      throw startFailure(options, child, `not ready after ${options.readyWithinMs / 1000} s`);
    }
    await delay(25);
  }
  throw startFailure(options, child, await child.ended);
}

function startFailure(options: SuperviseOptions, child: RunningChild, reason: string): Error {
  const tail = child.logTail();
  const known = options.explain?.(tail);
  if (known !== undefined) return known;
  const last = tail.trim().split("\n").at(-1) ?? "";
  const sentence = `${options.name} didn't start (${reason}): ${last || "it wrote nothing"}; its log is ${options.spec.logFile}`;
  return new EmbeddedError("embedded-start-failed", sentence, tail);
}

async function keepRunning(
  options: SuperviseOptions,
  state: { child: RunningChild },
  stopping: AbortSignal,
): Promise<void> {
  const diedAt: number[] = [];
  let reason = await state.child.ended;
  while (!stopping.aborted && (await mayRestart(options, reason, diedAt, stopping))) {
    try {
      state.child = await startUntilReady(options);
      options.log.info(
        { service: options.name, pid: state.child.pid },
        "embedded service restarted",
      );
      reason = await state.child.ended;
    } catch (error) {
      reason = describeError(error);
    }
  }
}

/** Notes a death, reports it, and waits as long as the policy says. False: no further start. */
async function mayRestart(
  { name, log, policy, onEvent }: SuperviseOptions,
  reason: string,
  diedAt: number[],
  stopping: AbortSignal,
): Promise<boolean> {
  const now = Date.now();
  diedAt.push(now);
  const decision = decideRestart(policy ?? defaultRestartPolicy, diedAt, now);
  const because = [reason, ...decision.because];
  if (decision.kind === "give-up") {
    onEvent?.({ kind: "gave-up", name, because });
    log.error({ service: name, because }, "embedded service given up");
    return false;
  }
  onEvent?.({ kind: "died", name, because });
  log.warn({ service: name, because, delayMs: decision.delayMs }, "embedded service died");
  // The wait is cut short, and ends the keeping, when the service is stopped.
  return delay(decision.delayMs, true, { signal: stopping }).catch(() => false);
}
