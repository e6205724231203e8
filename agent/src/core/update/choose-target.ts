// Which release a node should move to, if any, and why not otherwise. Safety first: a hold, a refusal,
// a withdrawn image and the minimum each win over any assignment.
import { type ReleaseRef, releaseLabel } from "@drover/shared/release/release";
import type { UpdatePolicy } from "./input.ts";
import type { Target, UpdateState } from "./state.ts";

export type Choice =
  | { readonly target: Target; readonly because: readonly string[] }
  | { readonly target: undefined; readonly because: readonly string[] };

const none = (...because: string[]): Choice => ({ target: undefined, because });

export function chooseTarget(policy: UpdatePolicy, state: UpdateState): Choice {
  const { orders, booted } = state;
  if (!orders) return none("no desired state has been accepted yet");
  if (!booted) return none("the running slot is not known yet");
  const repair = repairTarget(state);
  if (repair) return repair;
  if (orders.hold) return none("the node is on hold");
  const { assigned } = orders;
  if (!assigned) {
    return none(...(orders.because.length > 0 ? orders.because : ["no release is assigned"]));
  }
  const label = releaseLabel(assigned.release);
  if (assigned.release.imageId === booted.imageId) return none(`${label} is already running`);
  const refused = refusalOf(state, assigned.release);
  if (refused) return none(refused);
  const { attempt } = state;
  if (
    attempt?.imageId === assigned.release.imageId &&
    attempt.rolloutId === assigned.rolloutId &&
    attempt.count >= policy.attemptsMax
  ) {
    return none(`${label} was tried ${attempt.count} times in this rollout`);
  }
  const { rolloutId, rolloutEpoch, release } = assigned;
  return {
    target: { kind: "change", release, rolloutId, rolloutEpoch },
    because: [`${label} is assigned by rollout ${rolloutId}`],
  };
}

/** The node's own committed release was lost (its slot is damaged): bring the same one back. */
function repairTarget(state: UpdateState): Choice | undefined {
  const committed = state.orders?.committed;
  if (!committed || committed.imageId !== state.committedImageId) return undefined;
  if (state.booted?.imageId === committed.imageId || refusalOf(state, committed)) return undefined;
  return {
    target: { kind: "repair", release: committed, rolloutId: null, rolloutEpoch: 0 },
    because: [`the slot of the committed ${releaseLabel(committed)} is damaged`],
  };
}

/** Why this node must not run the release, or undefined. */
export function refusalOf(state: UpdateState, release: ReleaseRef): string | undefined {
  const label = releaseLabel(release);
  const refusal = state.refusals.find((each) => each.imageId === release.imageId);
  if (refusal) return `${label} was refused: ${refusal.because[0] ?? "it fell back"}`;
  const withdrawn = state.orders?.withdrawn.find((each) => each.imageId === release.imageId);
  if (withdrawn) return `${label} is withdrawn: ${withdrawn.reason}`;
  const minimum = minimumOf(state, release.name);
  if (release.counter < minimum) {
    return `${label} has counter ${release.counter}, below the minimum ${minimum}`;
  }
  return undefined;
}

function minimumOf(state: UpdateState, name: string): number {
  return Object.hasOwn(state.minimums, name) ? (state.minimums[name] ?? 0) : 0;
}
