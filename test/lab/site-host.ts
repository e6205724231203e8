// Runs a program of ours (a site agent, or a part of it) inside a lab namespace and listens to what it
// prints. It gets SIGTERM first, so that its own clean-up is part of what is tested.
import { join } from "node:path";
import { ConsoleLog } from "./console-log.ts";
import { deadlineMs } from "./deadline.ts";
import type { LabNamespace } from "./namespace.ts";

export interface SiteHost {
  readonly console: ConsoleLog;
  readonly pid: number;
  /** Waits for a line of its output; `quietMs` is how long it takes on a quiet computer. */
  waitFor(pattern: RegExp, quietMs: number): ReturnType<ConsoleLog["waitFor"]>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts `script` with the Node that runs this process. `name` names its log in `runFolder`. */
export function startSiteHost(options: {
  readonly namespace: LabNamespace;
  readonly runFolder: string;
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly nodeArguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): SiteHost {
  const log = new ConsoleLog(options.name, join(options.runFolder, `${options.name}.log`));
  const words = [...(options.nodeArguments ?? []), options.script, ...options.args];
  const child = options.namespace.spawn(process.execPath, words, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (bytes: Buffer) => log.write(bytes));
  const exited = new Promise<void>((resolve) => {
    child.once("close", (code, signal) => {
      log.end(`it ended with ${signal ?? code}`);
      resolve();
    });
  });
  if (child.pid === undefined) throw new Error(`${options.name} could not be started`);
  return {
    console: log,
    pid: child.pid,
    waitFor: (pattern, quietMs) => log.waitFor(pattern, deadlineMs(quietMs)),
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      const late = setTimeout(() => child.kill("SIGKILL"), deadlineMs(1000));
      await exited;
      clearTimeout(late);
    },
  };
}
