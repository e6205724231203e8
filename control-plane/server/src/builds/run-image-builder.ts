// Runs the image builder as a child process: its lines become the build's log, its one JSON line the result.
// A fault in a build can't take the control plane down.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { FleetError } from "@drover/shared/errors";
import { ImageId } from "@drover/shared/ids";
import { z } from "zod";

export class BuildFailedError extends FleetError {
  readonly code = "build-failed";
}

const Result = z.object({ imageId: ImageId });
const killAfterMs = 15_000;
const tailLines = 5;

/** Throws {@link BuildFailedError} with the builder's last lines. */
export async function runImageBuilder(input: {
  program: string;
  args: readonly string[];
  signal: AbortSignal;
  onLine: (line: string) => void;
}): Promise<ImageId> {
  const child = spawn(input.program, [...input.args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  const tail: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(-1024 * 1024);
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    input.onLine(line);
    tail.push(line);
    if (tail.length > tailLines) tail.shift();
  });
  let killer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill("SIGTERM");
    killer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  };
  input.signal.addEventListener("abort", stop, { once: true });
  try {
    const ended = await new Promise<string | undefined>((settle) => {
      child.once("error", (error) => settle(error.message));
      child.once("close", (code, signal) =>
        settle(code === 0 ? undefined : `exit ${code ?? signal}`),
      );
    });
    if (ended !== undefined)
      throw new BuildFailedError(`the image builder failed (${ended}): ${tail.join(" / ")}`);
    return readResult(stdout);
  } finally {
    clearTimeout(killer);
    input.signal.removeEventListener("abort", stop);
  }
}

function readResult(stdout: string): ImageId {
  try {
    return Result.parse(JSON.parse(stdout)).imageId;
  } catch (cause) {
    throw new BuildFailedError("the image builder ended without a result", { cause });
  }
}
