// Which nodes of a site may ask for a grant now. Never more in flight than the site's policy and its
// ceilings allow, only inside a window, and nothing at all with the centre out of reach.
import type { NodeId } from "@drover/shared/ids";
import type { DesiredDocument } from "@drover/shared/messages/desired";
import type { GrantRequest } from "@drover/shared/messages/grant";
import type { UpdatePhase } from "@drover/shared/node/update-state";
import type { Ceilings } from "@drover/shared/trust/trust-file";
import type { LocalTime } from "./window.ts";
import { isInWindow } from "./window.ts";

/** A node that waits for a grant. */
export interface GrantAsk extends Omit<GrantRequest, "nodes"> {
  readonly node: NodeId;
  readonly nonce: string;
  /** Monotonic milliseconds of the site agent. */
  readonly askedAtMs: number;
  /** The node has proved this image before: going back is never held up by a window. */
  readonly isReturn: boolean;
}

export interface SiteSituation {
  readonly desired: DesiredDocument;
  readonly ceilings: Ceilings;
  /** Last reported phase of every node heard of. */
  readonly phases: ReadonlyMap<NodeId, UpdatePhase>;
  /** Nodes granted so lately that their report may still be on its way. */
  readonly justGranted: ReadonlySet<NodeId>;
  readonly local: LocalTime;
  readonly isCentreInReach: boolean;
}

export interface Coordination {
  /** What to ask the centre for, each naming at most as many nodes as are free. */
  readonly requests: readonly GrantRequest[];
  /** Asks that have to wait, with the reason. */
  readonly waiting: readonly { readonly node: NodeId; readonly because: string }[];
}

const away: readonly UpdatePhase[] = ["granted", "trial", "proving"];

export function coordinate(asks: readonly GrantAsk[], situation: SiteSituation): Coordination {
  const { desired, ceilings } = situation;
  if (!situation.isCentreInReach)
    return allWait(asks, "the centre cannot be reached: no grant, no change");
  if (desired.status !== "active") return allWait(asks, `the site is ${desired.status}`);
  const limit = Math.min(desired.policy.maxUnavailable, ceilings.nodesAtOnceMax);
  const busy = nodesAway(situation);
  const waiting: { node: NodeId; because: string }[] = [];
  const groups = new Map<string, GrantAsk[]>();
  let free = limit - busy.size;
  for (const ask of [...asks].sort((left, right) => left.askedAtMs - right.askedAtMs)) {
    // A node that is counted already may repeat its question: it takes no further place.
    const needsPlace = !busy.has(ask.node);
    const reason = reasonToWait(ask, situation, needsPlace && free <= 0, limit);
    if (reason !== undefined) {
      waiting.push({ node: ask.node, because: reason });
      continue;
    }
    if (needsPlace) free -= 1;
    const key = `${ask.rolloutId} ${ask.rolloutEpoch} ${ask.class} ${ask.imageId}`;
    const group = groups.get(key);
    if (group) group.push(ask);
    else groups.set(key, [ask]);
  }
  return { requests: [...groups.values()].map(requestOf), waiting };
}

function allWait(asks: readonly GrantAsk[], because: string): Coordination {
  return { requests: [], waiting: asks.map(({ node }) => ({ node, because })) };
}

function nodesAway({ phases, justGranted }: SiteSituation): ReadonlySet<NodeId> {
  const busy = new Set(justGranted);
  for (const [node, phase] of phases) if (away.includes(phase)) busy.add(node);
  return busy;
}

function reasonToWait(
  ask: GrantAsk,
  { desired, local }: SiteSituation,
  isFull: boolean,
  limit: number,
): string | undefined {
  const assigned = desired.classes[ask.class]?.assigned;
  if (
    assigned?.rolloutId !== ask.rolloutId ||
    assigned.rolloutEpoch !== ask.rolloutEpoch ||
    assigned.release.imageId !== ask.imageId
  )
    return "desired state does not assign this change any more";
  if (!ask.isReturn && !isInWindow(desired.policy.windows, local))
    return "the site is outside its window";
  if (isFull) return `${limit} node(s) of the site may change at the same time`;
  return undefined;
}

function requestOf(group: readonly GrantAsk[]): GrantRequest {
  const [first] = group;
  if (!first) throw new RangeError("a group of asks is never empty");
  const { rolloutId, rolloutEpoch, class: nodeClass, imageId } = first;
  return {
    rolloutId,
    rolloutEpoch,
    class: nodeClass,
    imageId,
    nodes: group.slice(0, 100).map(({ node, nonce }) => ({ node, nonce })),
  };
}
