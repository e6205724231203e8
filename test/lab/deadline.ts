// Deadlines for real firmware. They grow with how slow this computer is and how busy it is now, so
// that a slow computer makes the lab slower, never red.
import { availableParallelism, loadavg } from "node:os";

/** CPU milliseconds the calibration took where the quiet figures were measured. */
const referenceMs = 40;
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
  return Math.min(...[1, 2, 3].map(integerWorkMs));
}

/** Integer work as an emulated processor does it; hashing would measure special instructions. */
function integerWorkMs(seed: number): number {
  const start = process.cpuUsage();
  let value = seed;
  for (let round = 0; round < 20_000_000; round += 1)
    value = (Math.imul(value ^ (value >>> 15), 0x2c1b3c6d) + round) | 0;
  const used = process.cpuUsage(start);
  // The result is used, so that the loop cannot be left out.
  return (used.user + used.system) / 1000 + (value === 0.5 ? 1 : 0);
}

/** The deadline in milliseconds for something that takes `quietMs` on a quiet, quick computer. */
export function deadlineMs(quietMs: number): number {
  const asked = Number(process.env["DROVER_SLOWNESS"] ?? "1");
  const busyness = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  return Math.round(quietMs * margin * Math.max(coreSlowness(), asked) * Math.min(busyness, 6));
}
