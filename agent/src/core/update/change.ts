// From a verified slot to the reboot into it. Nothing is armed without a grant for the nonce that this
// node made, within its validity on this node's monotonic clock; a repair alone needs none.
import { releaseLabel } from "@drover/shared/release/release";
import { dropStale } from "./gather.ts";
import type { UpdateEffect, UpdateInput } from "./input.ts";
import { after, elapsedMs, isOver } from "./moment.ts";
import type { In, UpdateState } from "./state.ts";
import {
  carryOn,
  disarm,
  moveTo,
  type Situation,
  type UpdateStep,
  withEvent,
  withSlot,
} from "./transition.ts";

const dayMs = 86_400_000;

export function stepVerified(situation: Situation<In<"verified">>, input: UpdateInput): UpdateStep {
  const { state, progress, now } = situation;
  switch (input.kind) {
    case "orders":
      return dropStale(situation) ?? carryOn(state, ["the target is unchanged"]);
    case "nonce-made": {
      if (progress.ask) return carryOn(state, ["a question is open already"]);
      const ask = { nonce: input.nonce, madeAt: now };
      const asked = { ...progress, ask, askAt: null };
      return moveTo(state, asked, ["asking for a grant"], askEffect(asked));
    }
    case "grant":
      return takeGrant(situation, input);
    case "grant-denied": {
      if (progress.ask?.nonce !== input.nonce)
        return carryOn(state, ["an answer to an old question"]);
      const askAt = after(now, input.retryAfterMs);
      return moveTo(state, { ...progress, ask: null, askAt }, input.because);
    }
    case "tick":
      return askAgain(situation);
    default:
      return carryOn(state, [`${input.kind} means nothing while waiting for a grant`]);
  }
}

function askEffect({ ask, target }: In<"verified">): UpdateEffect[] {
  if (!ask || !target.rolloutId) return [];
  const { rolloutId, rolloutEpoch } = target;
  const { imageId } = target.release;
  return [{ kind: "ask-grant", nonce: ask.nonce, imageId, rolloutId, rolloutEpoch }];
}

function askAgain(situation: Situation<In<"verified">>): UpdateStep {
  const { policy, state, progress, now } = situation;
  const { target, slot } = progress;
  if (target.kind === "repair") {
    const because = ["a repair of the committed release needs no grant"];
    const granted = { phase: "granted", target, slot, grantId: null, validUntil: null } as const;
    return arm({ ...situation, progress: { ...granted, since: now.wallMs } }, because);
  }
  const tired = rebootCeiling(situation);
  if (tired) return carryOn({ ...state, because: [tired] }, [tired]);
  const { ask, askAt } = progress;
  if (ask && !isOver(after(ask.madeAt, policy.grantValidMs), now))
    return carryOn(state, ["waiting for the grant"], askEffect(progress));
  if (askAt && !isOver(askAt, now)) return carryOn(state, state.because);
  const because = [`${releaseLabel(target.release)} is verified; a grant is needed`];
  return moveTo(state, { ...progress, ask: null, askAt: null }, because, [{ kind: "make-nonce" }]);
}

/** A release that the node has already proved is exempt, so that rolling back is never blocked. */
function rebootCeiling({ policy, state, progress, now }: Situation<In<"verified">>) {
  if (state.proved.includes(progress.target.release.imageId)) return undefined;
  const recent = state.rebootsAt.filter((at) => at > now.wallMs - dayMs).length;
  if (recent < policy.rebootsPerDayMax) return undefined;
  return `${recent} reboots within a day reach the site's ceiling of ${policy.rebootsPerDayMax}`;
}

function takeGrant(
  situation: Situation<In<"verified">>,
  grant: Extract<UpdateInput, { kind: "grant" }>,
): UpdateStep {
  const { policy, state, progress, now } = situation;
  const { ask, target, slot } = progress;
  const refuse = (why: string) => carryOn({ ...state, because: [why] }, [why]);
  if (!ask || grant.nonce !== ask.nonce) return refuse("the grant answers another nonce");
  if (
    grant.imageId !== target.release.imageId ||
    grant.rolloutId !== target.rolloutId ||
    grant.rolloutEpoch !== target.rolloutEpoch
  )
    return refuse("the grant is for another change");
  const validMs = Math.min(grant.validMs, policy.grantValidMs);
  const ageMs = elapsedMs(ask.madeAt, now);
  if (ageMs === undefined || ageMs >= validMs)
    return refuse("the grant came after its nonce had expired");
  const granted = {
    phase: "granted",
    target,
    slot,
    grantId: grant.grantId,
    validUntil: after(ask.madeAt, validMs),
    since: now.wallMs,
  } as const;
  const because = [`grant ${grant.grantId} arrived ${ageMs} ms after its nonce`];
  return arm({ ...situation, progress: granted }, because);
}

/** Enters `granted` and says what to arm. */
function arm(
  { policy, state, progress }: Situation<In<"granted">>,
  because: readonly string[],
): UpdateStep {
  const told =
    state.progress.phase === "granted"
      ? state
      : withEvent(state, "granted", progress.target, because, progress.grantId);
  return moveTo(told, progress, because, [
    {
      kind: "arm-trial",
      slot: progress.slot,
      imageId: progress.target.release.imageId,
      bootsMax: policy.trialBootsMax,
      notAfter: progress.validUntil,
    },
  ]);
}

export function stepGranted(situation: Situation<In<"granted">>, input: UpdateInput): UpdateStep {
  const { state, progress, now } = situation;
  switch (input.kind) {
    case "orders":
      return (
        dropStale(situation, [disarm(progress.target)]) ??
        carryOn(state, ["the target is unchanged"])
      );
    case "armed":
      if (input.slot !== progress.slot) return carryOn(state, ["another slot was armed"]);
      return startTrial(situation);
    case "arm-failed":
      return loseGrant(situation, input.because);
    case "tick":
      if (progress.validUntil && isOver(progress.validUntil, now))
        return loseGrant(situation, "the grant expired before the slot was armed");
      return arm(situation, ["arming the slot"]);
    default:
      return carryOn(state, [`${input.kind} means nothing while a grant is held`]);
  }
}

/** The grant is gone: disarm whatever may have been armed with it, then ask again. */
export function loseGrant(
  { state, progress, now }: Situation<In<"granted">>,
  because: string,
): UpdateStep {
  const { target, slot } = progress;
  const askAt = after(now, 1_000);
  return moveTo(
    state,
    { phase: "verified", target, slot, ask: null, askAt, since: now.wallMs },
    [because],
    [disarm(target)],
  );
}

function startTrial({ state, progress, now }: Situation<In<"granted">>): UpdateStep {
  const { target, slot, grantId } = progress;
  const because = [`slot ${slot} is armed for ${releaseLabel(target.release)}`];
  const counted = countTrial(state, progress, now.wallMs);
  const told = withEvent(
    withSlot(counted, slot, "trial", target.release.imageId),
    "armed",
    target,
    because,
    grantId,
  );
  return moveTo(
    told,
    { phase: "trial", target, slot, grantId, since: now.wallMs },
    because,
    rebootInto(slot),
  );
}

export function countTrial(
  state: UpdateState,
  { target }: Pick<In<"granted">, "target">,
  wallMs: number,
): UpdateState {
  const { imageId } = target.release;
  const { rolloutId } = target;
  const same = state.attempt?.imageId === imageId && state.attempt.rolloutId === rolloutId;
  const count = (same ? (state.attempt?.count ?? 0) : 0) + 1;
  const rebootsAt = [...state.rebootsAt.filter((at) => at > wallMs - dayMs), wallMs].slice(-100);
  return { ...state, attempt: { imageId, rolloutId, count }, rebootsAt };
}

const rebootInto = (slot: string): UpdateEffect[] => [
  { kind: "reboot", because: `trial boot of slot ${slot}` },
];

export function stepTrial(
  { state, progress }: Situation<In<"trial">>,
  input: UpdateInput,
): UpdateStep {
  if (input.kind === "tick") return carryOn(state, ["about to reboot"], rebootInto(progress.slot));
  return carryOn(state, [`${input.kind} means nothing once the slot is armed`]);
}
