// May these nodes change release now? One batch, in order of arrival, on facts read under lock: each
// yes counts against the caps of the next request. Every answer carries its reasons.
import type { EpochMs, GrantId, NodeId } from "@drover/shared/ids";
import type { NodeNonce } from "@drover/shared/messages/grant";
import type { RolloutHead } from "../rollout/facts.ts";
import { denySite } from "./deny-site.ts";
import type {
  EarlierGrant,
  GrantDecision,
  GrantFacts,
  GrantRow,
  GrantSite,
  PendingGrantRequest,
} from "./facts.ts";
import { countInFlight, type InFlight, regionPrefix } from "./in-flight.ts";
import type { LocalTime } from "./window.ts";

export interface GrantContext {
  readonly now: EpochMs;
  /** Local time in an IANA time zone at `now`; null for a zone nobody knows. */
  readonly localTime: (timeZone: string) => LocalTime | null;
  /** A fresh id per call. */
  readonly newId: () => GrantId;
}

/** How long to wait before asking again, by what stands in the way. */
export const retryMs = { full: 10_000, notNow: 60_000, never: 300_000 } as const;

/** One answer per request, in order. */
export function decideGrants(
  facts: GrantFacts,
  requests: readonly PendingGrantRequest[],
  context: GrantContext,
): readonly GrantDecision[] {
  const inFlight = countInFlight(facts.openGrants);
  const answered: EarlierGrant[] = [...facts.earlierGrants];
  return requests.map((pending) => {
    const decision = decideOne(facts, pending, { context, inFlight, earlier: answered });
    if (decision.outcome === "granted") note(facts, decision.rows, { inFlight, answered });
    return decision;
  });
}

interface Deciding {
  readonly context: GrantContext;
  readonly inFlight: InFlight;
  readonly earlier: readonly EarlierGrant[];
}

function deny(
  key: string,
  retryAfterMs: number,
  ...because: string[]
): Extract<GrantDecision, { outcome: "denied" }> {
  return { key, outcome: "denied", retryAfterMs, because };
}

function decideOne(
  facts: GrantFacts,
  pending: PendingGrantRequest,
  deciding: Deciding,
): GrantDecision {
  const { key, request } = pending;
  const site = facts.sites.find((s) => s.site === pending.site);
  const head = facts.rollouts.find((r) => r.id === request.rolloutId);
  const denial = denySite(facts, { pending, site, head }, deciding.context);
  if (denial !== undefined) return denial;
  if (site === undefined || head === undefined) return deny(key, retryMs.never, "unknown");
  const { eligible, because } = eligibleNodes(site, head, pending, deciding.earlier);
  if (eligible.length === 0) return deny(key, retryMs.never, ...because);
  const full = denyPlace(site, head, deciding.inFlight);
  if (full !== undefined) return deny(key, retryMs.full, full, ...because);
  const asked = eligible.map(({ node }) => node);
  const room = site.policy.maxUnavailable - deciding.inFlight.busyNodes(site.site, asked);
  if (room <= 0) {
    const limit = `at most ${site.policy.maxUnavailable} nodes of the site may be unavailable`;
    return deny(key, retryMs.full, limit, ...because);
  }
  return grant(pending, head, eligible, { room, because, context: deciding.context });
}

interface Eligible extends NodeNonce {
  readonly earlier: EarlierGrant | undefined;
}

/** The nodes that may change at all, without regard to how many at once. */
function eligibleNodes(
  site: GrantSite,
  head: RolloutHead,
  { request }: PendingGrantRequest,
  earlierGrants: readonly EarlierGrant[],
): { eligible: readonly Eligible[]; because: string[] } {
  const eligible: Eligible[] = [];
  const because: string[] = [];
  const seen = new Set<NodeId>();
  for (const { node: id, nonce } of request.nodes) {
    if (seen.has(id)) continue;
    seen.add(id);
    const earlier = earlierGrants.find((g) => g.node === id && g.rolloutId === head.id);
    const reason = nodeReason(site, id, { request, earlier });
    if (reason === undefined) eligible.push({ node: id, nonce, earlier });
    else because.push(`node ${id} ${reason}`);
  }
  return { eligible, because };
}

function nodeReason(
  site: GrantSite,
  id: NodeId,
  asked: { request: PendingGrantRequest["request"]; earlier: EarlierGrant | undefined },
): string | undefined {
  const { request, earlier } = asked;
  const node = site.nodes.find((n) => n.id === id);
  if (node === undefined) return "is not a node of this site";
  if (node.class !== request.class) return `is not of class ${request.class}`;
  if (node.hold) return "is held";
  if (node.refuses.includes(request.imageId)) return "refuses the image until a person clears it";
  if (node.running === request.imageId) return "runs the image already";
  if (earlier !== undefined && earlier.outcome !== null && earlier.outcome !== "unused") {
    return `has used its grant of this rollout: ${earlier.outcome}`;
  }
  return earlier?.armed ? "has armed a trial with its grant" : undefined;
}

/** Caps that span sites: pair, rollout, region. A site that is in flight already adds nothing. */
function denyPlace(site: GrantSite, head: RolloutHead, inFlight: InFlight): string | undefined {
  const { place, inFlightMax } = head.policy;
  const pair = place.keepPairsApart ? inFlight.pairBusy(site.site, site.pair) : undefined;
  if (pair !== undefined) return `its pair ${pair} is in flight`;
  const ofRollout = inFlight.sitesOfRollout(head.id);
  if (!ofRollout.has(site.site) && ofRollout.size >= inFlightMax) {
    return `${ofRollout.size} sites of the rollout are in flight, at most ${inFlightMax} may be`;
  }
  if (place.regionInFlightMax === 0) return undefined;
  const prefix = regionPrefix(site.region, place.regionDepth);
  const ofRegion = inFlight.sitesOfRegion(prefix, site.hollow);
  if (!ofRegion.has(site.site) && ofRegion.size >= place.regionInFlightMax) {
    return `${ofRegion.size} sites of ${prefix} are in flight, at most ${place.regionInFlightMax} may be`;
  }
  return undefined;
}

/** One reply carries one grant id: nodes whose earlier grants differ are answered one id at a time. */
function grant(
  pending: PendingGrantRequest,
  head: RolloutHead,
  eligible: readonly Eligible[],
  given: { room: number; because: readonly string[]; context: GrantContext },
): GrantDecision {
  const { context } = given;
  // A node that counts as in flight already takes no further place: it goes first.
  const renewed = eligible.find(({ earlier }) => earlier !== undefined)?.earlier?.id;
  const together = eligible.filter((node) => node.earlier?.id === renewed);
  const chosen = together.slice(0, given.room);
  const id = renewed ?? context.newId();
  const rows = chosen.map(({ node, nonce }) => ({
    id,
    rolloutId: head.id,
    rolloutEpoch: head.rolloutEpoch,
    site: pending.site,
    node,
    nonce,
    imageId: pending.request.imageId,
    grantedAt: context.now,
    renewal: renewed !== undefined,
  }));
  const later = eligible.length - chosen.length;
  const because = [
    `${chosen.length} nodes may change now`,
    ...(renewed === undefined ? [] : [`renews grant ${renewed}`]),
    ...(later > 0 ? [`${later} nodes have to ask again`] : []),
    ...given.because,
  ];
  return { key: pending.key, outcome: "granted", rows, because };
}

/** Makes what was just granted count for the rest of the batch. */
function note(
  facts: GrantFacts,
  rows: readonly GrantRow[],
  into: { inFlight: InFlight; answered: EarlierGrant[] },
): void {
  for (const row of rows) {
    const site = facts.sites.find((s) => s.site === row.site);
    into.inFlight.add({
      site: row.site,
      node: row.node,
      rolloutId: row.rolloutId,
      hollow: site?.hollow ?? false,
      region: site?.region ?? "",
      pair: site?.pair ?? null,
      silent: false,
    });
    if (!row.renewal) {
      into.answered.push({
        id: row.id,
        rolloutId: row.rolloutId,
        node: row.node,
        outcome: null,
        armed: false,
      });
    }
  }
}
