// The running trial: commit needs the right verity root, passing probes, an answer of the site agent over
// the LAN and the proving time, all of this boot. Whatever is missing at the deadline sends the node back.
import { releaseLabel } from "@drover/shared/release/release";
import type { UpdateEffect, UpdateInput } from "./input.ts";
import { elapsedMs } from "./moment.ts";
import type { In } from "./state.ts";
import {
  carryOn,
  disarm,
  markGood,
  moveTo,
  type Situation,
  type UpdateStep,
  withEvent,
  withSlot,
} from "./transition.ts";

type Proving = Situation<In<"proving">>;

/** Starts, or starts again after another boot of the same trial, with nothing proved. */
export function beginProving(
  { state, now }: Situation,
  carried: Pick<In<"proving">, "target" | "slot" | "grantId">,
  because: readonly string[],
): UpdateStep {
  const { target, slot, grantId } = carried;
  const told = withEvent(
    withSlot(state, slot, "trial", target.release.imageId),
    "booted",
    target,
    because,
    grantId,
  );
  const progress: In<"proving"> = {
    phase: "proving",
    target,
    slot,
    grantId,
    since: now.wallMs,
    startedAt: now,
    probes: null,
    siteAnsweredAt: null,
    act: "watching",
    leaveAs: "fallen-back",
    leaveBecause: [],
  };
  return moveTo(told, progress, because, checks(target.release.imageId));
}

const checks = (imageId: In<"proving">["target"]["release"]["imageId"]): UpdateEffect[] => [
  { kind: "run-probes", imageId },
  { kind: "ask-site" },
];

export function stepProving(situation: Proving, input: UpdateInput): UpdateStep {
  const { state, progress } = situation;
  if (input.kind === "marked") return takeMark(situation, input);
  if (progress.act === "marking") {
    const again: UpdateEffect[] = [markGood(state, progress.slot)];
    return carryOn(state, ["the default slot is being moved"], input.kind === "tick" ? again : []);
  }
  if (progress.act === "leaving")
    return carryOn(
      state,
      progress.leaveBecause,
      input.kind === "tick" ? leaveEffects(progress) : [],
    );
  return watch(situation, input);
}

function watch(situation: Proving, input: UpdateInput): UpdateStep {
  const { state, progress, now } = situation;
  switch (input.kind) {
    case "probes": {
      const probes = { healthy: input.healthy, at: now, because: [...input.because].slice(0, 20) };
      const verdict = input.healthy ? "all probes passed" : "probes fail";
      return moveTo(state, { ...progress, probes }, [verdict, ...input.because]);
    }
    case "site-answer":
      if (!input.answered) return carryOn(state, ["the site agent did not answer"]);
      return moveTo(state, { ...progress, siteAnsweredAt: now }, ["the site agent answered"]);
    case "orders": {
      const { imageId } = progress.target.release;
      const withdrawn = input.orders.withdrawn.find((each) => each.imageId === imageId);
      if (withdrawn) return leave(situation, "inconclusive", [`withdrawn: ${withdrawn.reason}`]);
      return carryOn(state, ["a running trial is finished first"]);
    }
    case "tick":
      return judge(situation);
    default:
      return carryOn(state, [`${input.kind} means nothing while proving`]);
  }
}

/** What is still missing before the node may commit; empty means proof is complete. */
export function missingProof({ policy, progress, now }: Proving): string[] {
  const missing: string[] = [];
  const freshMs = policy.checkEveryMs * 3;
  const isFresh = (at: Proving["now"] | undefined | null) =>
    at !== null && at !== undefined && (elapsedMs(at, now) ?? Number.POSITIVE_INFINITY) <= freshMs;
  const ranMs = elapsedMs(progress.startedAt, now) ?? 0;
  if (ranMs < policy.provingMs)
    missing.push(
      `proving time: ${Math.floor(ranMs / 1000)} of ${policy.provingMs / 1000} s are over`,
    );
  if (!progress.probes || !isFresh(progress.probes.at)) missing.push("no recent probe result");
  else if (!progress.probes.healthy)
    missing.push(`probes fail: ${progress.probes.because[0] ?? "no reason given"}`);
  if (!isFresh(progress.siteAnsweredAt)) missing.push("the site agent has not answered lately");
  return missing;
}

function judge(situation: Proving): UpdateStep {
  const { policy, state, progress, now } = situation;
  const missing = missingProof(situation);
  if (missing.length === 0) {
    const because = ["probes passed, the site agent answered and the proving time is over"];
    return moveTo(state, { ...progress, act: "marking" }, because, [
      markGood(state, progress.slot),
    ]);
  }
  const ranMs = elapsedMs(progress.startedAt, now) ?? 0;
  const limitMs = Math.max(policy.trialDeadlineMs, policy.provingMs + policy.checkEveryMs * 3);
  if (ranMs >= limitMs) {
    const isHealthy = progress.probes?.healthy === true;
    return leave(situation, isHealthy ? "inconclusive" : "fallen-back", missing);
  }
  return carryOn({ ...state, because: missing.slice(0, 20) }, missing, dueChecks(situation));
}

function dueChecks({ policy, progress, now }: Proving): UpdateEffect[] {
  const isDue = (at: Proving["now"] | null | undefined) =>
    !at || (elapsedMs(at, now) ?? policy.checkEveryMs) >= policy.checkEveryMs;
  const [probes, site] = checks(progress.target.release.imageId);
  const effects: UpdateEffect[] = [];
  if (probes && isDue(progress.probes?.at)) effects.push(probes);
  if (site && isDue(progress.siteAnsweredAt)) effects.push(site);
  return effects;
}

export function leaveEffects({
  slot,
  target,
}: Pick<In<"proving">, "slot" | "target">): UpdateEffect[] {
  return [disarm(target), { kind: "reboot", because: `giving up the trial of slot ${slot}` }];
}

/** Decides to go back to the old slot; the outcome is recorded once the old slot runs. */
export function leave(
  { state, progress }: Proving,
  leaveAs: "fallen-back" | "inconclusive",
  because: readonly string[],
): UpdateStep {
  const leaveBecause = because.slice(0, 20);
  return moveTo(
    state,
    { ...progress, act: "leaving", leaveAs, leaveBecause },
    because,
    leaveEffects(progress),
  );
}

function takeMark(situation: Proving, mark: Extract<UpdateInput, { kind: "marked" }>): UpdateStep {
  const { state, progress } = situation;
  if (progress.act !== "marking" || mark.slot !== progress.slot)
    return carryOn(state, ["a mark nobody waits for"]);
  if (mark.defaultSlot !== progress.slot) {
    const because = [`slot ${progress.slot} was marked but reads back as not the default`];
    return carryOn({ ...state, because }, because);
  }
  return commit(situation, [`${releaseLabel(progress.target.release)} is committed and read back`]);
}

export function commit({ state, progress, now }: Proving, because: readonly string[]): UpdateStep {
  const { target, slot, grantId } = progress;
  const { imageId } = target.release;
  const kept = withSlot(state, slot, "good", imageId);
  const proved = [...kept.proved.filter((each) => each !== imageId), imageId].slice(-8);
  const told = withEvent(
    { ...kept, committedImageId: imageId, proved, attempt: null },
    "committed",
    target,
    because,
    grantId,
  );
  return moveTo(told, { phase: "steady", since: now.wallMs }, because);
}
