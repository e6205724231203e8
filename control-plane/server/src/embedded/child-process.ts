// One running program in its own session, writing to a log file: it survives our own death without a
// broken pipe and is only ever ended by us (or found again and ended at the next start).
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { systemCode } from "./errors.ts";
import { processesIn } from "./process-identity.ts";

export interface ChildSpec {
  readonly program: string;
  readonly args: readonly string[];
  /** Working folder, used by nothing else: leftovers of a killed server are found by it. */
  readonly cwd: string;
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Signals in the order they are tried, each with the time it is given. */
  readonly stopSignals: readonly { readonly signal: NodeJS.Signals; readonly waitMs: number }[];
}

export interface RunningChild {
  readonly pid: number;
  /** Settles when the program ended, with a sentence. Never rejects. */
  readonly ended: Promise<string>;
  readonly isEnded: () => boolean;
  /** What it wrote to its log since it was started; at most the last 8 KiB. */
  readonly logTail: () => string;
  readonly stop: () => Promise<void>;
}

const logBytesMax = 16 * 1024 * 1024;
const tailBytes = 8192;

/** Starts the program. A program that can't be executed ends at once with its reason. */
export function startChild(spec: ChildSpec): RunningChild {
  rotateLog(spec.logFile);
  const log = openSync(spec.logFile, "a", 0o600);
  const logStart = statSync(spec.logFile).size;
  const child = spawn(spec.program, [...spec.args], {
    cwd: spec.cwd,
    env: spec.env ?? process.env,
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  const end = { reason: undefined as string | undefined };
  const ended = new Promise<string>((settle) => {
    const finish = (reason: string): void => {
      end.reason ??= reason;
      settle(reason);
    };
    child.once("error", (error) => finish(error.message));
    child.once("exit", (code, signal) => finish(signal ?? `exit code ${code}`));
  });
  return {
    pid: child.pid ?? 0,
    ended,
    isEnded: () => end.reason !== undefined,
    logTail: () => readFileSync(spec.logFile).subarray(logStart).subarray(-tailBytes).toString(),
    stop: () => stopChild(child, ended, spec.stopSignals),
  };
}

async function stopChild(
  child: ChildProcess,
  ended: Promise<string>,
  signals: ChildSpec["stopSignals"],
): Promise<void> {
  for (const { signal, waitMs } of signals) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill(signal);
    if (await endsWithin(ended, waitMs)) return;
  }
  child.kill("SIGKILL");
  await ended;
}

async function endsWithin(ended: Promise<string>, waitMs: number): Promise<boolean> {
  const timer = new AbortController();
  const timeout = delay(waitMs, false, { signal: timer.signal }).catch(() => false);
  const first = await Promise.race([ended.then(() => true), timeout]);
  timer.abort();
  return first;
}

/**
 * Ends programs that a killed server left behind in `cwd`: politely, then by force. Returns their ids.
 * Call only while holding the data folder's lock.
 */
export async function endLeftovers(cwd: string, polite: NodeJS.Signals): Promise<number[]> {
  const found = processesIn(cwd);
  if (found.length === 0) return found;
  for (const pid of found) signalIfAlive(pid, polite);
  for (let waitedMs = 0; waitedMs < 15_000; waitedMs += 50) {
    if (processesIn(cwd).length === 0) return found;
    await delay(50);
  }
  for (const pid of processesIn(cwd)) signalIfAlive(pid, "SIGKILL");
  while (processesIn(cwd).length > 0) await delay(20);
  return found;
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

function rotateLog(file: string): void {
  try {
    if (statSync(file).size > logBytesMax) renameSync(file, `${file}.1`);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}
