// A simple model of one node: the order of its phases, its one live nonce, and what its fault plan
// does to a trial. It believes nothing but a grant that echoes the nonce it made, in time.
import type { GrantId, ImageId, NodeId, RolloutId } from "@drover/shared/ids";
import type { UpdatePhase } from "@drover/shared/node/update-state";

export type TrialFate = "healthy" | "falls-back" | "hangs" | "inconclusive";

export interface SimNode {
  readonly id: NodeId;
  running: ImageId;
  phase: UpdatePhase;
  target: ImageId | null;
  rolloutId: RolloutId | null;
  grantId: GrantId | null;
  refused: ImageId[];
  /** Rollouts in which a trial ended without proof; the node does not ask for them again. */
  unproven: RolloutId[];
  /** When the present phase ends by itself, simulated ms; Infinity when something must happen. */
  phaseEndsAt: number;
  fate: TrialFate;
  /** When it asked last: who waits longest asks first. */
  askedAt: number;
  /** Lost at a restart of the site. */
  nonce: { readonly text: string; readonly madeAt: number } | null;
}

export function simNode(id: NodeId, running: ImageId): SimNode {
  return {
    id,
    running,
    phase: "steady",
    target: null,
    rolloutId: null,
    grantId: null,
    refused: [],
    unproven: [],
    phaseEndsAt: Number.POSITIVE_INFINITY,
    fate: "healthy",
    askedAt: 0,
    nonce: null,
  };
}

/** Between arming and outcome: away from service. */
export const isAway = (node: SimNode): boolean =>
  node.phase === "trial" || node.phase === "proving";

/** Back to rest on what runs; the reason stays in `refused` or `unproven`. */
export function rest(node: SimNode): void {
  node.phase = "steady";
  node.target = null;
  node.rolloutId = null;
  node.grantId = null;
  node.nonce = null;
  node.phaseEndsAt = Number.POSITIVE_INFINITY;
}
