// Deadlines for real firmware. They grow with how slow this computer is and how busy it is now, so
// that a slow computer makes the lab slower, never red.
import { createHash } from "node:crypto";
import { availableParallelism, loadavg } from "node:os";

/** CPU milliseconds the calibration took where the quiet figures were measured. */
const referenceMs = 45;
/** A deadline is this many times the quiet figure, as busy computers were seen to need 5 times. */
const margin = 10;

let measured: number | undefined;

/** How many times slower than the reference one core is, measured once; at least 1. */
export function coreSlowness(): number {
  measured ??= Math.max(1, calibrationMs() / referenceMs);
  return measured;
}

/** CPU time, not wall time: what other processes do is counted by the load instead. */
function calibrationMs(): number {
  const start = process.cpuUsage();
  const block = new Uint8Array(1 << 20);
  const hash = createHash("sha256");
  for (let round = 0; round < 24; round += 1) hash.update(block);
  hash.digest();
  const used = process.cpuUsage(start);
  return (used.user + used.system) / 1000;
}

/** The deadline in milliseconds for something that takes `quietMs` on a quiet, quick computer. */
export function deadlineMs(quietMs: number): number {
  const asked = Number(process.env["DROVER_SLOWNESS"] ?? "1");
  const busyness = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  return Math.round(quietMs * margin * Math.max(coreSlowness(), asked) * Math.min(busyness, 6));
}
