// The rollout machine: words of people and looks at the figures in, next state and effects out.
// Epoch rises with every halt, so that no grant asked for before it can be given after it.
import { assertNever } from "@drover/shared/errors";
import type { EpochMs } from "@drover/shared/ids";
import type { RolloutState, Verdict } from "@drover/shared/rollout/state";
import { stay } from "@drover/shared/step";
import type { RolloutHead } from "./facts.ts";
import type { WaveFigures } from "./figures.ts";
import { judge } from "./gate.ts";
import type { Phase, RolloutInput, RolloutProgress, RolloutRules, RolloutStep } from "./inputs.ts";
import { begin, ended, halt, refresh, refusal, run } from "./moves.ts";

/** Judges figures; the seam where a statistical engine takes the place of the first gate. */
export type Judge = typeof judge;

export function stepRollout(
  rules: RolloutRules,
  progress: RolloutProgress,
  input: RolloutInput,
  now: EpochMs,
  judgeWave: Judge = judge,
): RolloutStep {
  const { state } = progress;
  switch (state.phase) {
    case "draft":
    case "awaiting-approval":
      return beforeStart(progress, input, now);
    case "scheduled":
      return stepScheduled(progress, state, input, now);
    case "running":
      return stepRunning({ rules, judgeWave }, progress, state, input, now);
    case "paused":
      return stepPaused({ rules, judgeWave }, progress, state, input, now);
    case "halted":
      return stepHalted(rules, progress, state, input);
    case "finished":
    case "cancelled":
    case "superseded":
    case "expired":
      return stay(progress, `the rollout is ${state.phase}; nothing moves it any more`);
    default:
      return assertNever(state);
  }
}

function beforeStart(progress: RolloutProgress, input: RolloutInput, now: EpochMs): RolloutStep {
  const { phase } = progress.state;
  if (phase === "draft" && input.kind === "start") {
    if (!input.needsApproval) return begin(progress, input.startsAt, now);
    const state = { phase: "awaiting-approval" } as const;
    return { state: { ...progress, state }, effects: [], because: ["policy asks for approval"] };
  }
  if (phase === "awaiting-approval" && input.kind === "approve") {
    return begin(progress, input.startsAt, now);
  }
  return ended(progress, input, []) ?? stay(progress, refusal(phase, input));
}

function stepScheduled(
  progress: RolloutProgress,
  state: Phase<"scheduled">,
  input: RolloutInput,
  now: EpochMs,
): RolloutStep {
  if (input.kind === "look") {
    if (now < state.startsAt) return stay(progress, "its start is scheduled");
    if (input.frozen) return stay(progress, "the fleet is frozen: nothing starts");
    return run(progress, 0, ["the scheduled time has come"]);
  }
  if (input.kind === "halt") return halt(progress, 0, input.by, [input.reason]);
  return ended(progress, input, []) ?? stay(progress, refusal("scheduled", input));
}

interface Judging {
  readonly rules: RolloutRules;
  readonly judgeWave: Judge;
}

function stepRunning(
  judging: Judging,
  progress: RolloutProgress,
  state: Phase<"running">,
  input: RolloutInput,
  now: EpochMs,
): RolloutStep {
  switch (input.kind) {
    case "look":
      return lookRunning(judging, progress, state, input, now);
    case "pause": {
      const because = [input.reason];
      const paused: RolloutState = { phase: "paused", wave: state.wave, by: input.by, because };
      return { state: { ...progress, state: paused }, effects: [], because: [input.reason] };
    }
    case "halt":
      return halt(progress, state.wave, input.by, [input.reason]);
    default:
      return ended(progress, input, [refresh]) ?? stay(progress, refusal("running", input));
  }
}

function lookRunning(
  { rules, judgeWave }: Judging,
  progress: RolloutProgress,
  state: Phase<"running">,
  input: Extract<RolloutInput, { kind: "look" }>,
  now: EpochMs,
): RolloutStep {
  const verdict = judgeWave(gateInput(rules, progress, state.wave, input.waves, now));
  if (verdict.kind === "halt") return halt(progress, state.wave, "verdict", verdict.because);
  if (verdict.kind === "wait") {
    if (state.step === "updating") return stay(progress, ...verdict.because);
    // Something of the wave started late: it has to soak as long as the others.
    const updating = { phase: "running", wave: state.wave, step: "updating" } as const;
    return { state: { ...progress, state: updating }, effects: [], because: verdict.because };
  }
  if (state.step === "updating") {
    const soakEndsAt = now + rules.policy.soakMs;
    const soaking = { phase: "running", wave: state.wave, step: "soaking", soakEndsAt } as const;
    const because = [...verdict.because, `soaks for ${Math.round((soakEndsAt - now) / 1000)} s`];
    return { state: { ...progress, state: soaking }, effects: [], because };
  }
  if (now < state.soakEndsAt) return stay(progress, "the wave soaks");
  return afterSoak(rules, progress, state.wave, input, { now, verdict });
}

function afterSoak(
  rules: RolloutRules,
  progress: RolloutProgress,
  wave: number,
  input: Extract<RolloutInput, { kind: "look" }>,
  { now, verdict }: { now: EpochMs; verdict: Verdict },
): RolloutStep {
  if (wave + 1 < rules.waveCount) {
    if (input.frozen) return stay(progress, "the fleet is frozen: no wave opens");
    return run(progress, wave + 1, [...verdict.because, `wave ${wave + 2} opens`]);
  }
  const unheard = input.waves.reduce(
    (sum, figures) => sum + figures.real.pendingUnheard + figures.hollow.pendingUnheard,
    0,
  );
  const busy = input.waves.reduce(
    (sum, { real, hollow }) => sum + unsettled(real) + unsettled(hollow),
    0,
  );
  if (unheard + busy > 0) {
    return stay(progress, `the last wave passed; ${unheard + busy} sites are still to come`);
  }
  const finished = { phase: "finished", at: now } as const;
  return { state: { ...progress, state: finished }, effects: [refresh], because: verdict.because };
}

function unsettled({ tally, pendingHeard }: WaveFigures["real"]): number {
  return pendingHeard + tally.granted + tally.trial + tally.proving;
}

function stepPaused(
  { rules, judgeWave }: Judging,
  progress: RolloutProgress,
  state: Phase<"paused">,
  input: RolloutInput,
  now: EpochMs,
): RolloutStep {
  switch (input.kind) {
    case "look": {
      const verdict = judgeWave(gateInput(rules, progress, state.wave, input.waves, now));
      if (verdict.kind === "halt") return halt(progress, state.wave, "verdict", verdict.because);
      return stay(progress, `paused by ${state.by}`, ...verdict.because);
    }
    case "resume":
      return run(progress, state.wave, [`resumed by ${input.by}: ${input.reason}`]);
    case "halt":
      return halt(progress, state.wave, input.by, [input.reason]);
    default:
      return ended(progress, input, [refresh]) ?? stay(progress, refusal("paused", input));
  }
}

function stepHalted(
  rules: RolloutRules,
  progress: RolloutProgress,
  state: Phase<"halted">,
  input: RolloutInput,
): RolloutStep {
  if (input.kind === "look") return stay(progress, `halted by ${state.by}`, ...state.because);
  if (input.kind === "un-halt" && rules.rolledBack) {
    return stay(progress, "another rollout takes this one back: it may not run again");
  }
  if (input.kind === "un-halt") {
    const accepted = acceptedBy(input.waves, progress.accepted);
    const next = run({ ...progress, accepted }, state.wave, [
      `un-halted by ${input.by}: ${input.reason}`,
      `accepts ${accepted.failed} failed and ${accepted.silent} silent sites a wave`,
    ]);
    return { ...next, effects: [...next.effects, refresh] };
  }
  return ended(progress, input, [refresh]) ?? stay(progress, refusal("halted", input));
}

function gateInput(
  rules: RolloutRules,
  progress: RolloutProgress,
  wave: number,
  waves: readonly WaveFigures[],
  now: EpochMs,
) {
  return { policy: rules.policy, accepted: progress.accepted, waves, wave, now };
}

function acceptedBy(waves: readonly WaveFigures[], before: RolloutHead["accepted"]) {
  const all = waves.flatMap(({ real, hollow }) => [real.tally, hollow.tally]);
  return {
    failed: Math.max(before.failed, ...all.map((tally) => tally["fallen-back"])),
    silent: Math.max(before.silent, ...all.map((tally) => tally.silent)),
  };
}
