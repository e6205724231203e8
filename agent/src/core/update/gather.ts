// From steady to a verified spare slot: choosing a target, waiting for its content, writing it. None of
// this needs a grant, and all of it may be dropped or begun again at any time.
import { releaseLabel } from "@drover/shared/release/release";
import { chooseTarget } from "./choose-target.ts";
import type { UpdateEffect, UpdateInput } from "./input.ts";
import { after, isOver, type Moment } from "./moment.ts";
import type { In, Target, UpdateState } from "./state.ts";
import {
  carryOn,
  moveTo,
  type Situation,
  spareSlot,
  type UpdateStep,
  withEvent,
  withSlot,
} from "./transition.ts";

const retryFirstMs = 2_000;
const retryMaxMs = 600_000;

/** Doubles from two seconds to ten minutes. */
export function retryAfterMs(failures: number): number {
  return Math.min(retryMaxMs, retryFirstMs * 2 ** Math.min(failures, 20));
}

export const isSameTarget = (left: Target, right: Target): boolean =>
  left.release.imageId === right.release.imageId &&
  left.kind === right.kind &&
  left.rolloutId === right.rolloutId &&
  left.rolloutEpoch === right.rolloutEpoch;

/** Looks for something to do from rest. */
export function seek({ policy, state, progress, now }: Situation): UpdateStep {
  const choice = chooseTarget(policy, state);
  if (!choice.target) {
    if (progress.phase === "steady")
      return carryOn({ ...state, because: [...choice.because] }, choice.because);
    return moveTo(state, { phase: "steady", since: now.wallMs }, choice.because);
  }
  return beginPrefetch(state, choice.target, choice.because, now);
}

function beginPrefetch(
  state: UpdateState,
  target: Target,
  because: readonly string[],
  now: Moment,
): UpdateStep {
  const imageId = target.release.imageId;
  const progress = {
    phase: "prefetching",
    target,
    doneBytes: 0,
    totalBytes: 0,
    retryAt: null,
    failures: 0,
    since: now.wallMs,
  } as const;
  return moveTo(state, progress, because, [{ kind: "prefetch", imageId }]);
}

/** Drops a target that is no longer wanted. Undefined: it still is. */
export function dropStale(
  situation: Situation<In<"prefetching" | "writing" | "verified" | "granted">>,
  cleanup: readonly UpdateEffect[] = [],
): UpdateStep | undefined {
  const { policy, state, progress, now } = situation;
  const choice = chooseTarget(policy, state);
  if (choice.target && isSameTarget(choice.target, progress.target)) return undefined;
  const label = releaseLabel(progress.target.release);
  const because = [`${label} is no longer to be installed`, ...choice.because];
  const next = choice.target
    ? beginPrefetch(state, choice.target, because, now)
    : moveTo(state, { phase: "steady", since: now.wallMs }, because);
  return { ...next, effects: [...cleanup, ...next.effects] };
}

export function stepPrefetching(
  situation: Situation<In<"prefetching">>,
  input: UpdateInput,
): UpdateStep {
  const { state, progress, now } = situation;
  const { imageId } = progress.target.release;
  const again: UpdateEffect = { kind: "prefetch", imageId };
  switch (input.kind) {
    case "orders":
      return dropStale(situation) ?? carryOn(state, ["the target is unchanged"], [again]);
    case "prefetch-progress": {
      if (input.imageId !== imageId) return carryOn(state, ["progress of another image"]);
      const { doneBytes, totalBytes } = input;
      return moveTo(state, { ...progress, doneBytes, totalBytes }, ["content is arriving"]);
    }
    case "prefetched":
      if (input.imageId !== imageId) return carryOn(state, ["content of another image"]);
      return beginWrite(situation, input);
    case "prefetch-failed": {
      if (input.imageId !== imageId) return carryOn(state, ["a failure of another image"]);
      const retryAt = after(now, retryAfterMs(progress.failures));
      const failures = progress.failures + 1;
      return moveTo(state, { ...progress, retryAt, failures }, [input.because]);
    }
    case "tick":
      if (progress.retryAt && !isOver(progress.retryAt, now)) return carryOn(state, state.because);
      return carryOn(state, ["waiting for content"], [again]);
    default:
      return carryOn(state, [`${input.kind} means nothing while prefetching`]);
  }
}

function beginWrite(
  { state, progress, now }: Situation<In<"prefetching">>,
  known: Extract<UpdateInput, { kind: "prefetched" }>,
): UpdateStep {
  const slot = spareSlot(state);
  if (!slot) return carryOn(state, ["the spare slot is not known yet"]);
  const { imageId } = progress.target.release;
  const { verityRoot, totalBytes } = known;
  const target = { ...progress.target, verityRoot, totalBytes };
  const because = [`all content of ${releaseLabel(target.release)} is at the site`];
  return moveTo(
    withSlot(state, slot, "writing", imageId),
    { phase: "writing", target, slot, retryAt: null, failures: 0, since: now.wallMs },
    because,
    [{ kind: "write-slot", slot, imageId, verityRoot }],
  );
}

export function stepWriting(situation: Situation<In<"writing">>, input: UpdateInput): UpdateStep {
  const { state, progress, now } = situation;
  const { slot, target } = progress;
  const { imageId } = target.release;
  const again: UpdateEffect = {
    kind: "write-slot",
    slot,
    imageId,
    verityRoot: target.verityRoot,
  };
  switch (input.kind) {
    case "orders":
      return dropStale(situation) ?? carryOn(state, ["the target is unchanged"], [again]);
    case "slot-written":
      if (input.imageId !== imageId || input.slot !== slot)
        return carryOn(state, ["another write ended"]);
      if (input.verityRoot !== target.verityRoot)
        return retryWrite(
          situation,
          `slot ${slot} was written but reads back with another verity root`,
        );
      return moveTo(
        withSlot(state, slot, "written", imageId),
        { phase: "verified", target, slot, ask: null, askAt: null, since: now.wallMs },
        [`slot ${slot} holds ${releaseLabel(target.release)} and was verified`],
      );
    case "write-failed":
      if (input.imageId !== imageId || input.slot !== slot)
        return carryOn(state, ["another write ended"]);
      return retryWrite(situation, input.because);
    case "tick":
      if (progress.retryAt && !isOver(progress.retryAt, now)) return carryOn(state, state.because);
      return carryOn(state, [`slot ${slot} is being written`], [again]);
    default:
      return carryOn(state, [`${input.kind} means nothing while writing`]);
  }
}

/** The first failure of a write is told to the centre; later ones only lengthen the pause. */
function retryWrite(
  { state, progress, now }: Situation<In<"writing">>,
  because: string,
): UpdateStep {
  const retryAt = after(now, retryAfterMs(progress.failures));
  const failures = progress.failures + 1;
  const told =
    failures === 1 ? withEvent(state, "install-failed", progress.target, [because]) : state;
  return moveTo(told, { ...progress, retryAt, failures }, [because]);
}
