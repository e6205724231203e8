// Child programs of the story: each has a log file, is waited for by what it prints, and is ended with
// SIGTERM first. Nothing started here outlives `stopAll`.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { deadlineMs } from "../lab/deadline.ts";
import { StoryError } from "./steps.ts";

const root = join(import.meta.dirname, "../..");
export const programs = {
  server: join(root, "control-plane/server/src/main.ts"),
  cli: join(root, "control-plane/cli/src/main.ts"),
  agent: join(root, "agent/dist/agent.mjs"),
} as const;

export interface Program {
  readonly name: string;
  readonly pid: number;
  /** Resolves with the first line of standard output that matches. */
  line(pattern: RegExp, withinMs: number): Promise<string>;
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface Programs {
  start(name: string, script: string, args: readonly string[], env?: NodeJS.ProcessEnv): Program;
  stopAll(): Promise<void>;
}

interface Waiter {
  readonly pattern: RegExp;
  readonly found: (line: string) => void;
}

function startProgram(name: string, child: ChildProcess, logFolder: string): Program {
  const log = createWriteStream(join(logFolder, `${name}.log`), { flags: "a" });
  const lines: string[] = [];
  const waiters = new Set<Waiter>();
  const hear = (line: string, kept: boolean): void => {
    log.write(`${line}\n`);
    if (!kept) return;
    lines.push(line);
    for (const waiter of waiters) if (waiter.pattern.test(line)) waiter.found(line);
  };
  if (child.stdout) createInterface({ input: child.stdout }).on("line", (line) => hear(line, true));
  const complaints: string[] = [];
  if (child.stderr) {
    createInterface({ input: child.stderr }).on("line", (line) => {
      hear(line, false);
      complaints.push(line);
      if (complaints.length > 5) complaints.shift();
    });
  }
  const ended = new Promise<string>((resolve) =>
    child.once("close", (code, signal) =>
      resolve(`${name} ended with ${signal ?? code}: ${complaints.at(-1) ?? "it said nothing"}`),
    ),
  );
  return {
    name,
    pid: child.pid ?? -1,
    ended,
    line: (pattern, withinMs) => {
      const known = lines.find((line) => pattern.test(line));
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve, reject) => {
        const waiter: Waiter = { pattern, found: finish };
        const late = setTimeout(
          () => fail(`${name} did not say ${pattern} within ${withinMs} ms`),
          deadlineMs(withinMs / 10),
        );
        const clean = (): void => {
          clearTimeout(late);
          waiters.delete(waiter);
        };
        function finish(line: string): void {
          clean();
          resolve(line);
        }
        function fail(sentence: string): void {
          clean();
          reject(new StoryError(sentence));
        }
        waiters.add(waiter);
        void ended.then(fail);
      });
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), deadlineMs(3000));
      await ended;
      clearTimeout(late);
    },
  };
}

/** Programs that log into `logFolder`. */
export function makePrograms(logFolder: string): Programs {
  mkdirSync(logFolder, { recursive: true });
  const all: Program[] = [];
  return {
    start(name, script, args, env = {}) {
      const child = spawn(process.execPath, [script, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...env },
      });
      const program = startProgram(name, child, logFolder);
      all.push(program);
      return program;
    },
    async stopAll() {
      // Last started, first stopped: agents leave before the centre they talk to.
      for (const program of all.splice(0).reverse()) await program.stop();
    },
  };
}

/** The command line as a person would use it, always with `--json`. */
export type Cli = <T>(...args: readonly string[]) => Promise<T>;

/** Runs `drover --data DIR --json …`; a failure is its own sentence. `exitCodes` lists those that are answers. */
export function cliFor(dataFolder: string, url: string, answers: readonly number[] = [0]): Cli {
  return <T>(...args: readonly string[]) =>
    new Promise<T>((resolve, reject) => {
      const words = [programs.cli, "--data", dataFolder, "--url", url, "--json", ...args];
      const options = {
        maxBuffer: 64 * 1024 * 1024,
        env: { ...process.env, DROVER_DATA: dataFolder },
      };
      const child = execFile(process.execPath, words, options, (error, out, err) => {
        const code = child.exitCode ?? -1;
        if (!error || answers.includes(code)) {
          try {
            return resolve(JSON.parse(out) as T);
          } catch {
            return reject(
              new StoryError(`drover ${args.join(" ")} printed no JSON: ${out.slice(0, 200)}`),
            );
          }
        }
        return reject(
          new StoryError(
            `drover ${args.join(" ")}: ${err.trim().split("\n").at(-1) ?? error.message}`,
          ),
        );
      });
    });
}
