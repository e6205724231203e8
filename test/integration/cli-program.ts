// The `drover` command as a shell starts it: arguments in, exit code and both streams out.
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import type { TestControlPlane } from "./with-control-plane.ts";

const root = join(import.meta.dirname, "../..");
export const launcher = join(root, "control-plane/cli/bin/drover.mjs");

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Environment of a person who may do everything, or of one with other words for some of it. */
export function environment(
  centre: TestControlPlane,
  other: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  return { ...process.env, DROVER_DATA: centre.data, DROVER_URL: centre.url, ...other };
}

export function runCli(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<Ended> {
  return new Promise((settle) => {
    const options = { env, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(process.execPath, [launcher, ...args], options, (_, out, err) =>
      settle({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

/** Runs a line of shell; the program is `$DROVER`. */
export function runShell(env: NodeJS.ProcessEnv, line: string): Promise<Ended> {
  return new Promise((settle) => {
    const words = ["-o", "pipefail", "-c", line];
    const DROVER = `${process.execPath} ${launcher}`;
    const child = execFile("bash", words, { env: { ...env, DROVER } }, (_, out, err) =>
      settle({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

export interface StartedCli {
  /** Standard output up to now. */
  out(): string;
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Ended>;
}

/** Starts a command that goes on until it is told to stop. */
export function startCli(env: NodeJS.ProcessEnv, args: readonly string[]): StartedCli {
  const child = spawn(process.execPath, [launcher, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = new Promise<number>((settle) => child.once("close", (code) => settle(code ?? -1)));
  return {
    out: () => out,
    async end(signal) {
      child.kill(signal);
      return { code: await ended, out, err };
    },
  };
}
