// The first gate: limits on failures and silence, wave by wave. No data is never a pass: it waits.
// Whatever judges waves later takes the same figures and gives the same verdict.
import type { EpochMs } from "@drover/shared/ids";
import type { RolloutPolicy } from "@drover/shared/rollout/policy";
import type { Verdict } from "@drover/shared/rollout/state";
import { concernedSites, type Figures, inFlightSites, type WaveFigures } from "./figures.ts";

/** How long to wait before looking at unchanged figures again. */
export const recheckMs = 15_000;

export interface GateInput {
  readonly policy: RolloutPolicy;
  /** Failed and silent sites per wave accepted by a person. */
  readonly accepted: { readonly failed: number; readonly silent: number };
  /** Figures of all waves; those above `wave` are not open. */
  readonly waves: readonly WaveFigures[];
  readonly wave: number;
  readonly now: EpochMs;
}

/** Judges every open wave for limits, and the newest one for being done. */
export function judge(input: GateInput): Verdict {
  const halting = input.waves
    .slice(0, input.wave + 1)
    .flatMap((wave, index) => [
      ...brokenLimits(input, wave.real, `real sites of wave ${index + 1}`),
      ...brokenLimits(input, wave.hollow, `hollow sites of wave ${index + 1}`),
    ]);
  if (halting.length > 0) return { kind: "halt", because: halting };
  const current = input.waves[input.wave];
  if (current === undefined) return { kind: "pass", because: ["the rollout has no sites"] };
  const hopeless = [
    ...withoutSuccess(input, current.real, "real"),
    ...withoutSuccess(input, current.hollow, "hollow"),
  ];
  if (hopeless.length > 0) return { kind: "halt", because: hopeless };
  const waiting = [...unfinished(current.real, "real"), ...unfinished(current.hollow, "hollow")];
  if (waiting.length > 0) {
    return { kind: "wait", because: waiting, recheckAt: input.now + recheckMs };
  }
  return {
    kind: "pass",
    because: [...summary(current.real, "real"), ...summary(current.hollow, "hollow")],
  };
}

function brokenLimits(input: GateInput, { tally }: Figures, whose: string): string[] {
  const { failedMax, silentMax } = input.policy.gate;
  const failedLimit = Math.max(failedMax, input.accepted.failed);
  const silentLimit = Math.max(silentMax, input.accepted.silent);
  const broken: string[] = [];
  if (tally["fallen-back"] > failedLimit) {
    broken.push(`${tally["fallen-back"]} ${whose} fell back, at most ${failedLimit} may`);
  }
  if (tally.silent > silentLimit) {
    broken.push(`${tally.silent} ${whose} are silent after a grant, at most ${silentLimit} may be`);
  }
  return broken;
}

/** A wave that ended without one success is no pass, however high the limits are. */
function withoutSuccess(input: GateInput, figures: Figures, kind: string): string[] {
  const { tally } = figures;
  const over = inFlightSites(tally) === 0 && figures.pendingHeard === 0;
  const bad = tally["fallen-back"] > input.accepted.failed || tally.silent > input.accepted.silent;
  if (!over || !bad || tally.committed > 0) return [];
  return [`no ${kind} site of wave ${input.wave + 1} committed and some fell back or are silent`];
}

function unfinished(figures: Figures, kind: string): string[] {
  const { tally } = figures;
  if (concernedSites(tally) === 0) return [];
  const waiting: string[] = [];
  const inFlight = inFlightSites(tally);
  if (inFlight > 0) waiting.push(`${inFlight} ${kind} sites are in flight`);
  if (figures.pendingHeard > 0) {
    waiting.push(`${figures.pendingHeard} ${kind} sites have not started`);
  }
  // Failures that a person accepted are data, too.
  if (tally.committed + tally["fallen-back"] + tally.silent === 0) {
    waiting.push(`no ${kind} site has committed yet: no data is no pass`);
  }
  return waiting;
}

function summary({ tally, pendingUnheard }: Figures, kind: string): string[] {
  const concerned = concernedSites(tally);
  if (concerned === 0) return [];
  const line = `${tally.committed} of ${concerned} ${kind} sites committed`;
  return pendingUnheard > 0
    ? [line, `${pendingUnheard} ${kind} sites are not heard from and do not block`]
    : [line];
}
