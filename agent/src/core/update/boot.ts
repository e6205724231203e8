// What a start of the node agent means in each phase: the loader's choice and the measured verity root
// are the only witnesses of a trial. Starting again within one boot changes nothing.
import { otherSlot } from "@drover/shared/node/slot";
import { countTrial, loseGrant } from "./change.ts";
import { seek } from "./gather.ts";
import type { UpdateInput } from "./input.ts";
import { isOver } from "./moment.ts";
import { beginProving, leave, leaveEffects } from "./prove.ts";
import type { In, UpdateState } from "./state.ts";
import {
  carryOn,
  disarm,
  endInconclusive,
  fallBack,
  markGood,
  moveTo,
  type Situation,
  type UpdateStep,
  withSlot,
} from "./transition.ts";

export type BootedInput = Extract<UpdateInput, { kind: "booted" }>;

export function onBooted(situation: Situation, boot: BootedInput): UpdateStep {
  const isSameBoot = situation.state.booted?.bootId === situation.now.bootId;
  const state = recordBoot(situation.state, boot);
  const { progress } = state;
  const seen = { ...situation, state };
  switch (progress.phase) {
    case "granted":
      return bootedGranted({ ...seen, progress }, boot, isSameBoot);
    case "trial":
      if (isSameBoot && boot.slot !== progress.slot)
        return carryOn(
          state,
          ["the agent started again before the reboot"],
          [{ kind: "reboot", because: `trial boot of slot ${progress.slot}` }],
        );
      return trialOutcome({ ...seen, progress }, boot);
    case "proving":
      return bootedProving({ ...seen, progress }, boot, isSameBoot);
    case "steady":
      return bootedSteady(seen, boot);
    default:
      return bootedGathering(seen, boot, isSameBoot);
  }
}

/** Slot table after a boot. A `late` or `fall` start says that the other slot could not be used. */
function recordBoot(state: UpdateState, boot: BootedInput): UpdateState {
  const { slot, why, measuredImageId } = boot;
  const imageId = measuredImageId ?? state.slots[slot].imageId;
  const { bootId } = boot.now;
  let next: UpdateState = { ...state, booted: { slot, bootId, imageId } };
  const isTrial = "slot" in state.progress && state.progress.slot === slot;
  next = withSlot(next, slot, isTrial ? "trial" : "good", imageId);
  if (why === "late") {
    const lost = otherSlot(slot);
    next = withSlot(next, lost, "bad", next.slots[lost].imageId);
  }
  if (next.committedImageId === null && imageId !== null && !isTrial && why !== "try")
    next = { ...next, committedImageId: imageId, proved: [imageId] };
  return next;
}

/** A system that had to leave its default makes the slot it reached the default. */
function bootedSteady(situation: Situation, boot: BootedInput): UpdateStep {
  const sought = seek(situation);
  if (boot.why !== "late") return sought;
  return { ...sought, effects: [markGood(sought.state, boot.slot), ...sought.effects] };
}

function bootedGathering(
  { policy, state, progress, now }: Situation,
  boot: BootedInput,
  isSameBoot: boolean,
): UpdateStep {
  if ("slot" in progress && progress.slot === boot.slot)
    return seek({ policy, state, now, progress });
  if (isSameBoot) return carryOn(state, ["the agent started again"]);
  const because = [`booted slot ${boot.slot} (${boot.why})`];
  if (progress.phase === "verified")
    return moveTo(state, { ...progress, ask: null, askAt: null }, because);
  if (progress.phase === "prefetching" || progress.phase === "writing")
    return moveTo(state, { ...progress, retryAt: null }, because);
  return carryOn(state, because);
}

function bootedGranted(
  situation: Situation<In<"granted">>,
  boot: BootedInput,
  isSameBoot: boolean,
): UpdateStep {
  const { policy, state, progress, now } = situation;
  const isTried = boot.slot === progress.slot || boot.why === "fall" || boot.why === "late";
  if (!isSameBoot && isTried) {
    const counted = countTrial(state, progress, now.wallMs);
    const trial = { ...progress, phase: "trial" } as const;
    return trialOutcome({ policy, now, state: counted, progress: trial }, boot);
  }
  if (isSameBoot && !(progress.validUntil && isOver(progress.validUntil, now)))
    return carryOn(state, ["the agent started again with a grant in hand"]);
  return loseGrant(situation, "the node started again before the slot was armed");
}

/** How a trial ended, told by the loader. */
function trialOutcome(situation: Situation<In<"trial">>, boot: BootedInput): UpdateStep {
  const { target, slot, grantId } = situation.progress;
  if (boot.slot === slot) {
    const carried = { target, slot, grantId };
    const because = [`slot ${slot} booted (${boot.why})`];
    const begun = beginProving(situation, carried, because);
    if (boot.measuredVerityRoot === target.verityRoot) return begun;
    const { state } = begun;
    if (state.progress.phase !== "proving") return begun;
    return leave({ ...situation, state, progress: state.progress }, "fallen-back", [
      "the running system measured another verity root than its manifest states",
    ]);
  }
  if (boot.why === "fall" || boot.why === "late")
    return fallBack(
      situation,
      target,
      slot,
      grantId,
      [
        boot.why === "fall"
          ? `slot ${slot} was tried and did not prove itself; the loader fell back`
          : `slot ${slot} could not open its root file system`,
      ],
      [disarm(target)],
    );
  return endInconclusive(
    situation,
    target,
    slot,
    grantId,
    [`the loader did not try slot ${slot} (${boot.why})`],
    [disarm(target)],
  );
}

function bootedProving(
  situation: Situation<In<"proving">>,
  boot: BootedInput,
  isSameBoot: boolean,
): UpdateStep {
  const { state, progress } = situation;
  const { target, slot, grantId } = progress;
  if (boot.slot === slot) {
    if (progress.act === "leaving")
      return carryOn(state, progress.leaveBecause, leaveEffects(progress));
    if (isSameBoot) return carryOn(state, ["the agent started again while proving"]);
    if (progress.act === "marking" && boot.measuredVerityRoot === target.verityRoot)
      return carryOn(state, ["started again while committing"], [markGood(state, slot)]);
    const trial = { phase: "trial", target, slot, grantId, since: progress.since } as const;
    return trialOutcome({ ...situation, progress: trial }, boot);
  }
  if (progress.act === "leaving") {
    const end = progress.leaveAs === "fallen-back" ? fallBack : endInconclusive;
    return end(situation, target, slot, grantId, progress.leaveBecause, [disarm(target)]);
  }
  if (progress.act === "marking")
    return endInconclusive(
      situation,
      target,
      slot,
      grantId,
      ["the node lost power after proving itself and before the commit was written"],
      [disarm(target)],
    );
  const trial = { phase: "trial", target, slot, grantId, since: progress.since } as const;
  return trialOutcome({ ...situation, progress: trial }, boot);
}
