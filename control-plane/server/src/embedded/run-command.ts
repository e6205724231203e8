// Runs a helper program to its end without a shell and keeps the end of what it said.
import { spawn } from "node:child_process";

export interface CommandResult {
  /** Exit code, or undefined when a signal ended it or it could not be started. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  /** At most the last 8 KiB of both streams, for error messages. */
  readonly tail: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const tailCharacters = 8192;
const stdoutCharacters = 1024 * 1024;

/** Never rejects: a program that can't be started is a result with its reason in `tail`. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { stdin = "", timeoutMs, ...rest } = options;
  return new Promise((settle) => {
    let stdout = "";
    let tail = "";
    const child = spawn(program, args, { ...definedOnly(rest), timeout: timeoutMs ?? 120_000 });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(-stdoutCharacters);
      tail = (tail + text).slice(-tailCharacters);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      tail = (tail + text).slice(-tailCharacters);
    });
    child.on("error", (error) => {
      settle({ exitCode: undefined, stdout, tail: `${tail}${error.message}` });
    });
    child.on("close", (exitCode) => settle({ exitCode: exitCode ?? undefined, stdout, tail }));
    // A program that ends without reading its input closes the pipe; its exit code tells the story.
    child.stdin.on("error", () => undefined);
    child.stdin.end(stdin);
  });
}

function definedOnly<T extends object>(options: T): Partial<T> {
  const kept: Partial<T> = {};
  for (const key of Object.keys(options) as (keyof T)[]) {
    if (options[key] !== undefined) kept[key] = options[key];
  }
  return kept;
}
