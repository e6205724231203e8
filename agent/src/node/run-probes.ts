// Asks the questions an image declares about its own health. Each runs with its time limit; one that
// cannot be run is unhealthy, because a question without an answer is not a yes.
import { execFile } from "node:child_process";
import type { Probe } from "@drover/shared/image/manifest";

export interface ProbeAnswer {
  readonly name: string;
  readonly healthy: boolean;
  readonly detail: string;
}

function runProbe(probe: Probe, signal: AbortSignal): Promise<ProbeAnswer> {
  const [program = "", ...args] = probe.command;
  const options = {
    timeout: probe.timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: 64 * 1024,
    signal,
  } as const;
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`.replace(/\s+/g, " ").trim().slice(0, 300);
      if (!error) return resolve({ name: probe.name, healthy: true, detail: said });
      const how = error.killed
        ? `no answer within ${probe.timeoutMs} ms`
        : `ended with ${error.code ?? error.message}`;
      resolve({
        name: probe.name,
        healthy: false,
        detail: `${how}${said ? `: ${said}` : ""}`.slice(0, 500),
      });
    });
  });
}

/** All probes, one after the other: together they could starve each other on a small node. */
export async function runProbes(
  probes: readonly Probe[],
  signal: AbortSignal,
): Promise<ProbeAnswer[]> {
  const answers: ProbeAnswer[] = [];
  for (const probe of probes) answers.push(await runProbe(probe, signal));
  return answers;
}
