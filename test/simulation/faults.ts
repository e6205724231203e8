// What goes wrong in one run, drawn from its seed, and a count of what really happened. Faults stop at
// a known time; from then on everything must converge.
import type { Random } from "@drover/shared/random";

export type FaultName =
  | "message-lost"
  | "message-duplicated"
  | "message-reordered"
  | "bus-wiped"
  | "server-crashed-before-commit"
  | "server-crashed-after-commit"
  | "server-stalled"
  | "site-cut-off"
  | "site-restarted"
  | "node-fell-back"
  | "node-hung"
  | "node-inconclusive"
  | "lease-lost"
  | "version-conflict"
  | "halted"
  | "rolled-back"
  | "grant-renewed"
  | "grant-expired-unused";

export type FaultCounts = Partial<Record<FaultName, number>>;

export interface Faults {
  readonly random: Random;
  /** False once faults have stopped. */
  isOn(): boolean;
  /** True with the given probability while faults are on; counted. */
  strikes(name: FaultName, probability: number): boolean;
  note(name: FaultName): void;
  readonly counts: FaultCounts;
}

export function makeFaults(random: Random, isOn: () => boolean): Faults {
  const counts: FaultCounts = {};
  const note = (name: FaultName): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  return {
    random,
    isOn,
    counts,
    note,
    strikes: (name, probability) => {
      const struck = random.chance(probability) && isOn();
      if (struck) note(name);
      return struck;
    },
  };
}

/** Adds the counts of one run to a total. */
export function addCounts(total: FaultCounts, run: FaultCounts): void {
  for (const [name, count] of Object.entries(run) as [FaultName, number][]) {
    total[name] = (total[name] ?? 0) + count;
  }
}
