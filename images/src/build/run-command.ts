// Runs one outside program to its end: no shell, a fixed environment, killed when the build is
// cancelled, and an error that carries the last lines the program printed.
import { spawn } from "node:child_process";
import { FleetError } from "@drover/shared/errors";

/** A program failed or could not be started. */
export class CommandError extends FleetError {
  readonly code = "command-failed";
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const TAIL_BYTES = 2000;

/** The part of our own environment that programs may see, in a fixed locale and time zone. */
export function commandEnvironment(
  extra: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  const kept: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, LC_ALL: "C.UTF-8", TZ: "UTC", DEBIAN_FRONTEND: "noninteractive", ...extra };
}

/** Resolves with the program's standard output; rejects with {@link CommandError} unless it exits 0. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: commandEnvironment(options.environment),
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const output: Buffer[] = [];
    let tail = "";
    child.stdout.on("data", (bytes: Buffer) => output.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => {
      tail = (tail + bytes.toString("utf8")).slice(-TAIL_BYTES);
    });
    child.on("error", (cause) => {
      const aborted = options.signal?.aborted === true;
      reject(
        aborted ? options.signal?.reason : new CommandError(`cannot run ${program}`, { cause }),
      );
    });
    child.on("close", (code, signal) => {
      const text = Buffer.concat(output).toString("utf8");
      if (code === 0) resolve(text);
      else reject(new CommandError(`${program} ended with ${code ?? signal}: ${tail.trim()}`));
    });
  });
}
