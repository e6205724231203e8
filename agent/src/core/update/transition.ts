// Small moves shared by all phases: entering a phase, remembering an event, naming the spare slot.
// A state is never changed in place.

import type { GrantId } from "@drover/shared/ids";
import type { NodeEventName } from "@drover/shared/messages/report";
import { otherSlot, type Slot, type SlotCondition } from "@drover/shared/node/slot";
import type { Step } from "@drover/shared/step";
import type { UpdateEffect, UpdatePolicy } from "./input.ts";
import { after, type Moment } from "./moment.ts";
import type { Progress, Target, UpdateState } from "./state.ts";

export type UpdateStep = Step<UpdateState, UpdateEffect>;

/** What every phase is given. */
export interface Situation<P extends Progress = Progress> {
  readonly policy: UpdatePolicy;
  readonly state: UpdateState;
  readonly progress: P;
  readonly now: Moment;
}

const eventsMax = 100;
const reasonsMax = 20;

export function moveTo(
  state: UpdateState,
  progress: Progress,
  because: readonly string[],
  effects: readonly UpdateEffect[] = [],
): UpdateStep {
  return {
    state: { ...state, progress, because: because.slice(0, reasonsMax) },
    effects,
    because,
  };
}

/** The same phase, with effects to carry on with. */
export function carryOn(
  state: UpdateState,
  because: readonly string[],
  effects: readonly UpdateEffect[] = [],
): UpdateStep {
  return { state, effects, because };
}

/** Queues an event for the centre; the oldest are dropped when nobody takes them. */
export function withEvent(
  state: UpdateState,
  event: NodeEventName,
  target: Target | null,
  because: readonly string[],
  grantId: GrantId | null = null,
): UpdateState {
  const seq = state.eventSeq + 1;
  const entry = {
    seq,
    event,
    imageId: target?.release.imageId ?? null,
    rolloutId: target?.rolloutId ?? null,
    grantId,
    because: because.slice(0, reasonsMax),
  };
  return { ...state, eventSeq: seq, events: [...state.events, entry].slice(-eventsMax) };
}

export function withSlot(
  state: UpdateState,
  slot: Slot,
  condition: SlotCondition,
  imageId: UpdateState["committedImageId"],
): UpdateState {
  return { ...state, slots: { ...state.slots, [slot]: { condition, imageId } } };
}

/** The slot that may be written: never the running one. Undefined before the first boot is known. */
export function spareSlot(state: UpdateState): Slot | undefined {
  return state.booted ? otherSlot(state.booted.slot) : undefined;
}

/** A target without what was learnt about its image on the way. */
function plain({ kind, release, rolloutId, rolloutEpoch }: Target): Target {
  return { kind, release, rolloutId, rolloutEpoch };
}

/** Returned to the old slot because the new system failed: the image is refused until cleared. */
export function fallBack(
  { state, now }: Situation,
  target: Target,
  slot: Slot,
  grantId: GrantId | null,
  because: readonly string[],
  effects: readonly UpdateEffect[] = [],
): UpdateStep {
  const number = state.refusalCount + 1;
  const reasons = because.slice(0, reasonsMax);
  const refusal = {
    number,
    imageId: target.release.imageId,
    at: now.wallMs,
    because: reasons,
  };
  const refused = {
    ...withSlot(state, slot, "bad", target.release.imageId),
    refusalCount: number,
    refusals: [...state.refusals, refusal].slice(-50),
  };
  const told = withEvent(refused, "fell-back", target, because, grantId);
  const progress = {
    phase: "fallen-back",
    target: plain(target),
    because: reasons,
    since: now.wallMs,
  } as const;
  return moveTo(told, progress, because, effects);
}

/** Returned to the old slot without a verdict on the image: nothing is refused. */
export function endInconclusive(
  { state, now, policy }: Situation,
  target: Target,
  slot: Slot,
  grantId: GrantId | null,
  because: readonly string[],
  effects: readonly UpdateEffect[] = [],
): UpdateStep {
  const kept = withSlot(state, slot, "written", target.release.imageId);
  const told = withEvent(kept, "inconclusive", target, because, grantId);
  return moveTo(
    told,
    {
      phase: "inconclusive",
      target: plain(target),
      because: because.slice(0, reasonsMax),
      retryAt: after(now, policy.retryInconclusiveMs),
      since: now.wallMs,
    },
    because,
    effects,
  );
}

/** No trial of the target may be pending any more. */
export function disarm(target: Target): UpdateEffect {
  return { kind: "disarm", imageId: target.release.imageId };
}

/** Make `slot` the default; the other stays a fallback only when it is known good. */
export function markGood(state: UpdateState, slot: Slot): UpdateEffect {
  return {
    kind: "mark-good",
    slot,
    oldVerifies: state.slots[otherSlot(slot)].condition === "good",
  };
}
