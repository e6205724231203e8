// The figures a node reports about its health. A figure that cannot be read is left out, never zero.
import { execFile } from "node:child_process";
import { readFileSync, statfsSync } from "node:fs";
import { loadavg, uptime } from "node:os";
import { promisify } from "node:util";

const run = promisify(execFile);

/** 1 when dm-verity has met a block that does not verify since boot; its status is then `C`. */
async function rootReadErrors(): Promise<number | undefined> {
  try {
    const { stdout } = await run("dmsetup", ["status", "root"], { timeout: 10_000 });
    return stdout.trim().split(/\s+/)[3] === "C" ? 1 : 0;
  } catch {
    return undefined;
  }
}

function memoryAvailableBytes(): number | undefined {
  const kib = /MemAvailable:\s+(\d+) kB/.exec(readFileSync("/proc/meminfo", "latin1"))?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Most memory this agent ever had resident since it was started. */
export function agentPeakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Metrics by name; `stateFolder` lies on the state partition. */
export async function readHealth(stateFolder: string): Promise<Record<string, number>> {
  const { bavail, bsize } = statfsSync(stateFolder);
  const figures: Record<string, number | undefined> = {
    loadAverage: loadavg()[0],
    memoryAvailableBytes: memoryAvailableBytes(),
    agentPeakBytes: agentPeakBytes(),
    rootReadErrors: await rootReadErrors(),
    stateFreeBytes: bavail * bsize,
    uptimeMs: Math.round(uptime() * 1000),
  };
  const known: Record<string, number> = {};
  for (const [name, value] of Object.entries(figures)) if (value !== undefined) known[name] = value;
  return known;
}
