// Many seeded runs of the real loops and decisions on a bad day. A failure names its seed and the
// command that replays it alone.
import { expect, it } from "vitest";
import { addCounts, type FaultCounts } from "./faults.ts";
import { simulate } from "./world.ts";

const only = process.env["DROVER_SEED"];
const first = only === undefined ? 1 : Number(only);
const seeds = only === undefined ? Number(process.env["DROVER_SEEDS"] ?? "200") : 1;

async function replayable(seed: number) {
  try {
    return await simulate(seed);
  } catch (error) {
    const command = `npm test -- --project simulation --seed ${seed}`;
    throw new Error(`seed=${seed}; replay with: ${command} (or: npm test -- --seed ${seed})`, {
      cause: error,
    });
  }
}

it(`keeps every invariant and converges, in ${seeds} seeded runs`, async () => {
  const faults: FaultCounts = {};
  const ends: Record<string, number> = {};
  let simulatedMs = 0;
  let events = 0;
  const cpuBefore = process.cpuUsage();
  for (let seed = first; seed < first + seeds; seed += 1) {
    const run = await replayable(seed);
    addCounts(faults, run.faults);
    for (const phase of run.phases) ends[phase] = (ends[phase] ?? 0) + 1;
    simulatedMs += run.simulatedMs;
    events += run.events;
  }
  const cpu = process.cpuUsage(cpuBefore);
  const cpuSeconds = Math.round((cpu.user + cpu.system) / 1e6);
  const hours = Math.round(simulatedMs / 3_600_000);
  process.stdout.write(
    `${seeds} runs, ${hours} simulated hours, ${events} events, ${cpuSeconds} s CPU\n` +
      `rollouts ended: ${JSON.stringify(ends)}\nfaults that really happened: ${JSON.stringify(faults)}\n`,
  );
  // One seed alone need not meet every fault; all of them together must.
  if (seeds < 100) return;
  const expected = [
    "message-lost",
    "message-duplicated",
    "message-reordered",
    "bus-wiped",
    "server-crashed-before-commit",
    "server-crashed-after-commit",
    "server-stalled",
    "lease-lost",
    "site-cut-off",
    "site-restarted",
    "node-fell-back",
    "node-hung",
    "node-inconclusive",
    "halted",
    "rolled-back",
    "grant-renewed",
  ];
  expect(Object.keys(faults)).toEqual(expect.arrayContaining(expected));
});
