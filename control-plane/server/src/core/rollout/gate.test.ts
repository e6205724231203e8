// The first gate: no data is no pass, hollow and real sites are judged apart, limits halt.
import { RolloutPolicy } from "@drover/shared/rollout/policy";
import { emptyTally, type SiteInRollout } from "@drover/shared/rollout/state";
import { describe, expect, it } from "vitest";
import type { Figures, WaveFigures } from "./figures.ts";
import { judge } from "./gate.ts";

const policy = RolloutPolicy.parse({
  waves: [{ percent: 100 }],
  gate: { failedMax: 1, silentMax: 1 },
});

function figures(
  counts: Partial<Record<SiteInRollout, number>>,
  pending: Partial<Figures> = {},
): Figures {
  return { tally: { ...emptyTally(), ...counts }, pendingHeard: 0, pendingUnheard: 0, ...pending };
}
const none = figures({});

function verdict(wave: Partial<WaveFigures>, accepted = { failed: 0, silent: 0 }) {
  return judge({
    policy,
    accepted,
    waves: [{ real: none, hollow: none, ...wave }],
    wave: 0,
    now: 5,
  });
}

describe("the first gate", () => {
  it("passes when all are done and at least one committed", () => {
    expect(verdict({ real: figures({ committed: 3, "fallen-back": 1 }) }).kind).toBe("pass");
    expect(verdict({ real: figures({ skipped: 3 }) }).kind).toBe("pass");
  });

  it("halts above a limit, counting real and hollow sites apart", () => {
    expect(verdict({ real: figures({ committed: 9, "fallen-back": 2 }) }).kind).toBe("halt");
    expect(verdict({ real: figures({ committed: 9, silent: 2 }) }).kind).toBe("halt");
    const one = figures({ committed: 9, "fallen-back": 1 });
    expect(verdict({ real: one, hollow: one }).kind).toBe("pass");
  });

  it("halts a wave that ended without one success, within the limits or not", () => {
    expect(verdict({ real: figures({ "fallen-back": 1 }) }).kind).toBe("halt");
    const accepted = { failed: 1, silent: 0 };
    expect(verdict({ real: figures({ "fallen-back": 1 }) }, accepted).kind).toBe("pass");
  });

  it("waits without data: nobody committed, or only inconclusive trials", () => {
    expect(verdict({ real: figures({ inconclusive: 2 }) }).kind).toBe("wait");
    expect(verdict({ real: figures({ ready: 2 }, { pendingUnheard: 2 }) }).kind).toBe("wait");
  });

  it("waits for sites that are heard from, and not for those that are not", () => {
    const counts = { committed: 1, ready: 1 };
    expect(verdict({ real: figures(counts, { pendingHeard: 1 }) }).kind).toBe("wait");
    const passed = verdict({ real: figures(counts, { pendingUnheard: 1 }) });
    expect(passed.kind).toBe("pass");
    expect(passed.because.join()).toMatch(/1 real sites are not heard from/);
  });
});
