// Walks every (state, input) pair of the rollout machine: only the listed arrows exist, and the picture
// in docs is made from this walk.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { RolloutId } from "@drover/shared/ids";
import { RolloutPolicy } from "@drover/shared/rollout/policy";
import { emptyTally, RolloutState, type SiteInRollout } from "@drover/shared/rollout/state";
import { describe, expect, it } from "vitest";
import { mermaidPage } from "../mermaid-page.ts";
import type { WaveFigures } from "./figures.ts";
import type { RolloutInput, RolloutProgress } from "./inputs.ts";
import { stepRollout } from "./step.ts";

const now = 1_000_000;
const rules = {
  policy: RolloutPolicy.parse({ waves: [{ count: 1 }, { percent: 100 }], soakMs: 1000 }),
  waveCount: 2,
  rolledBack: false,
};
const said = { by: "ada", reason: "because" };

function figures(counts: Partial<Record<SiteInRollout, number>>, pendingHeard = 0): WaveFigures {
  const none = { tally: emptyTally(), pendingHeard: 0, pendingUnheard: 0 };
  return { real: { ...none, tally: { ...emptyTally(), ...counts }, pendingHeard }, hollow: none };
}
const good = [figures({ committed: 1 }), figures({ committed: 1 })];
const bad = [figures({ committed: 1, "fallen-back": 1 }), figures({})];
const busy = [figures({ granted: 1 }, 0), figures({ granted: 1 })];

const states: Record<string, RolloutState> = {
  draft: { phase: "draft" },
  "awaiting-approval": { phase: "awaiting-approval" },
  scheduled: { phase: "scheduled", startsAt: now },
  "updating first": { phase: "running", wave: 0, step: "updating" },
  "soaking first": { phase: "running", wave: 0, step: "soaking", soakEndsAt: now },
  "updating last": { phase: "running", wave: 1, step: "updating" },
  "soaking last": { phase: "running", wave: 1, step: "soaking", soakEndsAt: now },
  paused: { phase: "paused", wave: 0, ...{ by: "ada", because: ["x"] } },
  halted: { phase: "halted", wave: 0, ...{ by: "ada", because: ["x"] } },
  finished: { phase: "finished", at: now },
  cancelled: { phase: "cancelled", by: "ada", because: ["x"] },
  superseded: { phase: "superseded", by: "r-newer" },
  expired: { phase: "expired" },
};

const inputs: Record<string, RolloutInput> = {
  start: { kind: "start", startsAt: null, needsApproval: false },
  "start later": { kind: "start", startsAt: now + 5, needsApproval: false },
  "start, needs approval": { kind: "start", startsAt: null, needsApproval: true },
  approve: { kind: "approve", startsAt: null },
  pause: { kind: "pause", ...said },
  resume: { kind: "resume", ...said },
  halt: { kind: "halt", ...said },
  "un-halt": { kind: "un-halt", ...said, waves: bad },
  cancel: { kind: "cancel", ...said },
  supersede: { kind: "supersede", by: RolloutId.parse("r-newer") },
  expire: { kind: "expire" },
  "look: good": { kind: "look", waves: good, frozen: false },
  "look: bad": { kind: "look", waves: bad, frozen: false },
  "look: busy": { kind: "look", waves: busy, frozen: false },
  "look: good, fleet frozen": { kind: "look", waves: good, frozen: true },
};

const nameOf = (state: RolloutState): string =>
  state.phase === "running" ? `${state.step} ${state.wave === 0 ? "first" : "last"}` : state.phase;

const progress = (state: RolloutState): RolloutProgress => ({
  state,
  rolloutEpoch: 3,
  accepted: { failed: 0, silent: 0 },
});

/** Every arrow that may exist; each pair not named here stays where it is. */
const allowed = new Set([
  "draft --start--> updating first",
  "draft --start later--> scheduled",
  "draft --start, needs approval--> awaiting-approval",
  "awaiting-approval --approve--> updating first",
  "scheduled --halt--> halted",
  "scheduled --look: good--> updating first",
  "scheduled --look: bad--> updating first",
  "scheduled --look: busy--> updating first",
  ...["updating first", "soaking first", "updating last", "soaking last"].flatMap((from) => [
    `${from} --pause--> paused`,
    `${from} --halt--> halted`,
    `${from} --look: bad--> halted`,
  ]),
  "updating first --look: good--> soaking first",
  "updating first --look: good, fleet frozen--> soaking first",
  "soaking first --look: busy--> updating first",
  "soaking first --look: good--> updating last",
  "updating last --look: good--> soaking last",
  "updating last --look: good, fleet frozen--> soaking last",
  "soaking last --look: busy--> updating last",
  "soaking last --look: good--> finished",
  "soaking last --look: good, fleet frozen--> finished",
  "paused --resume--> updating first",
  "paused --halt--> halted",
  "paused --look: bad--> halted",
  "halted --un-halt--> updating first",
  ...Object.keys(states)
    .slice(0, 9)
    .flatMap((from) => [
      `${from} --cancel--> cancelled`,
      `${from} --supersede--> superseded`,
      `${from} --expire--> expired`,
    ]),
]);

function walk() {
  return Object.entries(states).flatMap(([from, state]) =>
    Object.entries(inputs).map(([word, input]) => {
      const before = progress(state);
      const step = stepRollout(rules, before, input, now);
      return {
        from,
        word,
        input,
        before,
        step,
        arrow: `${from} --${word}--> ${nameOf(step.state.state)}`,
      };
    }),
  );
}

describe("the rollout machine", () => {
  it("moves along the allowed arrows only, and along each of them", () => {
    const arrows = walk().filter(({ before, step }) => step.state.state !== before.state);
    expect(new Set(arrows.map(({ arrow }) => arrow))).toEqual(allowed);
  });

  it("says why, whatever happens or does not", () => {
    for (const { step } of walk()) expect(step.because.length).toBeGreaterThan(0);
  });

  it("gives states that can be stored", () => {
    for (const { step } of walk())
      expect(RolloutState.parse(step.state.state)).toEqual(step.state.state);
  });

  it("raises the epoch whenever permission is taken away for good, and never lowers it", () => {
    for (const { before, step, arrow } of walk()) {
      const to = step.state.state.phase;
      const isStop = ["halted", "cancelled", "superseded", "expired"].includes(to);
      const moved = step.state.state !== before.state;
      expect([arrow, step.state.rolloutEpoch]).toEqual([arrow, moved && isStop ? 4 : 3]);
    }
  });

  it("opens no wave and starts nothing while the fleet is frozen", () => {
    for (const { word, step } of walk()) {
      if (word !== "look: good, fleet frozen") continue;
      expect(step.effects.filter((effect) => effect.kind === "open-wave")).toEqual([]);
    }
  });

  it("accepts the figures when a person un-halts, so that the same figures do not halt again", () => {
    const halted = progress({ phase: "halted", wave: 0, by: "verdict", because: ["x"] });
    const input = { kind: "un-halt", ...said, waves: bad } as const;
    const running = stepRollout(rules, halted, input, now).state;
    expect(running.accepted).toEqual({ failed: 1, silent: 0 });
    const look = { kind: "look", waves: bad, frozen: false } as const;
    expect(stepRollout(rules, running, look, now).state.state.phase).toBe("running");
    const worse = [figures({ committed: 1, "fallen-back": 2 }), figures({})];
    expect(stepRollout(rules, running, { ...look, waves: worse }, now).state.state.phase).toBe(
      "halted",
    );
  });

  it("may not run again once another rollout takes it back", () => {
    const halted = progress({ phase: "halted", wave: 0, by: "verdict", because: ["x"] });
    const input = { kind: "un-halt", ...said, waves: bad } as const;
    expect(stepRollout({ ...rules, rolledBack: true }, halted, input, now).state).toBe(halted);
  });

  it("is drawn in docs exactly as it moves", () => {
    const lines = [...allowed].sort().map((arrow) => {
      const [, from, word, to] = /^(.*) --(.*)--> (.*)$/.exec(arrow) ?? [];
      return `    ${id(from)} --> ${id(to)}: ${word?.replace(":", "")}`;
    });
    const names = Object.keys(states).map((name) => `    state "${name}" as ${id(name)}`);
    const text = mermaidPage({
      title: "Rollout states",
      kind: "stateDiagram-v2",
      lines: [...names, ...lines],
    });
    expectDrawn("rollout-states.md", text);
  });
});

const id = (name = ""): string => name.replaceAll(/[^a-z]/g, "_");

function expectDrawn(file: string, text: string): void {
  const folder = new URL("../../../../../docs/generated/", import.meta.url);
  if (process.env["UPDATE_DIAGRAMS"] === "1") {
    mkdirSync(folder, { recursive: true });
    writeFileSync(new URL(file, folder), text);
  }
  expect(readFileSync(new URL(file, folder), "utf8")).toBe(text);
}
