// The node update machine: `(policy, state, input) → {state, effects, because}`, total and synchronous.
// Safe to re-enter in every phase after a kill or a power cut; a late or duplicate input is normal.
import { assertNever } from "@drover/shared/errors";
import { onBooted } from "./boot.ts";
import { stepGranted, stepTrial, stepVerified } from "./change.ts";
import { chooseTarget } from "./choose-target.ts";
import { seek, stepPrefetching, stepWriting } from "./gather.ts";
import type { UpdateInput, UpdatePolicy } from "./input.ts";
import { isOver } from "./moment.ts";
import type { NodeOrders } from "./orders.ts";
import { stepProving } from "./prove.ts";
import type { In, UpdateState } from "./state.ts";
import { carryOn, type Situation, type UpdateStep } from "./transition.ts";

export function step(policy: UpdatePolicy, before: UpdateState, input: UpdateInput): UpdateStep {
  const { now } = input;
  if (input.kind === "events-sent") {
    const events = before.events.filter((event) => event.seq > input.upToSeq);
    return carryOn({ ...before, events }, ["events were taken by the site agent"]);
  }
  const state = input.kind === "orders" ? withOrders(before, input.orders) : before;
  if (state === undefined) return carryOn(before, ["older orders than the ones in force"]);
  const { progress } = state;
  const situation = { policy, state, now, progress };
  if (input.kind === "booted") return onBooted(situation, input);
  switch (progress.phase) {
    case "steady":
      return stepSteady(situation, input);
    case "prefetching":
      return stepPrefetching({ ...situation, progress }, input);
    case "writing":
      return stepWriting({ ...situation, progress }, input);
    case "verified":
      return stepVerified({ ...situation, progress }, input);
    case "granted":
      return stepGranted({ ...situation, progress }, input);
    case "trial":
      return stepTrial({ ...situation, progress }, input);
    case "proving":
      return stepProving({ ...situation, progress }, input);
    case "fallen-back":
      return stepFallenBack({ ...situation, progress }, input);
    case "inconclusive":
      return stepInconclusive({ ...situation, progress }, input);
    default:
      return assertNever(progress);
  }
}

/** Takes new orders into memory: minimums only rise, cleared refusals go. Undefined: they are old. */
function withOrders(state: UpdateState, orders: NodeOrders): UpdateState | undefined {
  if (state.orders && orders.generation < state.orders.generation) return undefined;
  const minimums = { ...state.minimums };
  for (const release of [orders.committed, orders.assigned?.release]) {
    if (!release) continue;
    const known = Object.hasOwn(minimums, release.name) ? (minimums[release.name] ?? 0) : 0;
    minimums[release.name] = Math.max(known, orders.minimum);
  }
  const refusals = state.refusals.filter((refusal) => refusal.number > orders.refusalsCleared);
  return { ...state, orders, minimums, refusals };
}

function stepSteady(situation: Situation, input: UpdateInput): UpdateStep {
  if (input.kind === "orders" || input.kind === "tick") return seek(situation);
  return carryOn(situation.state, [`${input.kind} means nothing at rest`]);
}

/** Rests until the refusal is cleared or something else is wanted. */
function stepFallenBack(situation: Situation<In<"fallen-back">>, input: UpdateInput): UpdateStep {
  const { state, progress } = situation;
  if (input.kind !== "orders" && input.kind !== "tick")
    return carryOn(state, [`${input.kind} means nothing after a fall-back`]);
  const { imageId } = progress.target.release;
  const isRefused = state.refusals.some((refusal) => refusal.imageId === imageId);
  const isStillAssigned = state.orders?.assigned?.release.imageId === imageId;
  if (isRefused && isStillAssigned) return carryOn(state, progress.because);
  return seek(situation);
}

/** Rests for a while, since nothing was learnt about the image. */
function stepInconclusive(
  situation: Situation<In<"inconclusive">>,
  input: UpdateInput,
): UpdateStep {
  const { policy, state, progress, now } = situation;
  if (input.kind !== "orders" && input.kind !== "tick")
    return carryOn(state, [`${input.kind} means nothing while resting`]);
  const wanted = chooseTarget(policy, state).target;
  const isStillWanted = wanted?.release.imageId === progress.target.release.imageId;
  if (isStillWanted && !isOver(progress.retryAt, now)) return carryOn(state, progress.because);
  return seek(situation);
}
