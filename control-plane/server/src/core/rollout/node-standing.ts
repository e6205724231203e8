// Where one node stands in one rollout, from its last report and its grant. An outcome once recorded
// stands for the rest of the rollout, whatever the node says later.
import { assertNever } from "@drover/shared/errors";
import type { EpochMs, ImageId, RolloutId } from "@drover/shared/ids";
import { grantValidMs } from "@drover/shared/messages/grant";
import type { GrantOutcome, NodeGrant, NodeInRollout, RolloutSite } from "./facts.ts";

export type NodeStanding =
  | "not-concerned"
  | "held"
  | "refusing"
  | "pending"
  | "granted"
  | "trial"
  | "proving"
  | "committed"
  | "fallen-back"
  | "inconclusive"
  | "silent";

/** What a standing is judged against. */
export interface StandingContext {
  readonly rolloutId: RolloutId;
  readonly silenceMs: number;
  readonly now: EpochMs;
}

/** `target` is the image the rollout brings to the node's class; undefined when it brings none. */
export function nodeStanding(
  node: NodeInRollout,
  target: ImageId | undefined,
  context: StandingContext,
): NodeStanding {
  if (target === undefined) return "not-concerned";
  const outcome = node.grant?.outcome ?? null;
  if (outcome !== null && outcome !== "unused") return outcome;
  const moving = node.movingTo === target && node.movingFor === context.rolloutId;
  const underway = moving && (node.phase === "trial" || node.phase === "proving");
  if (node.running === target && !underway) return "committed";
  if (node.grant !== null) return grantedStanding(node, node.grant, { target, moving, context });
  if (node.refuses.includes(target)) return "refusing";
  return node.hold ? "held" : "pending";
}

/** The image is not (yet) committed, and a grant was given. */
function grantedStanding(
  node: NodeInRollout,
  grant: NodeGrant,
  { target, moving, context }: { target: ImageId; moving: boolean; context: StandingContext },
): NodeStanding {
  if (node.refuses.includes(target)) return "fallen-back";
  if (moving && (node.phase === "fallen-back" || node.phase === "inconclusive")) return node.phase;
  if (grant.outcome !== null) return node.hold ? "held" : "pending";
  if (context.now - grant.grantedAt > context.silenceMs) return "silent";
  if (moving && (node.phase === "trial" || node.phase === "proving")) return node.phase;
  return "granted";
}

/** The outcome that an open grant has reached by now, or null while it is open still. */
export function settledOutcome(
  node: NodeInRollout,
  site: RolloutSite,
  standing: NodeStanding,
  context: StandingContext,
): GrantOutcome | null {
  if (node.grant === null || node.grant.outcome !== null) return null;
  switch (standing) {
    case "committed":
    case "fallen-back":
    case "inconclusive":
      return standing;
    case "granted":
    case "silent":
      return isProvenUnused(node, node.grant, site, context) ? "unused" : null;
    case "not-concerned":
    case "held":
    case "refusing":
    case "pending":
    case "trial":
    case "proving":
      return null;
    default:
      return assertNever(standing);
  }
}

/**
 * True when the grant can no longer be armed: the node's site has applied a document that does not
 * assign this rollout at the grant's epoch, the node was seen before its trial under it, and the
 * nonce has long expired.
 */
function isProvenUnused(
  node: NodeInRollout,
  grant: NodeGrant,
  site: RolloutSite,
  context: StandingContext,
): boolean {
  const { document } = site;
  if (document === null || node.class === null || node.reportedAt === null) return false;
  const assigned = document.assigned[node.class] ?? null;
  const stillAssigned =
    assigned?.rolloutId === context.rolloutId && assigned.rolloutEpoch === grant.rolloutEpoch;
  const beforeTrial =
    node.phase === "steady" ||
    node.phase === "prefetching" ||
    node.phase === "writing" ||
    node.phase === "verified";
  return (
    !stillAssigned &&
    beforeTrial &&
    node.reportGeneration >= document.generation &&
    node.reportedAt > grant.grantedAt + 2 * grantValidMs
  );
}
