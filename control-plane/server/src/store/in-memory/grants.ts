// The grant transaction of the in-memory store: facts over all rollouts, one pure decision, rows
// unique by rollout and node.
import type { NodeId, RolloutId } from "@drover/shared/ids";
import type {
  GrantDecision,
  GrantFacts,
  GrantRow,
  GrantSite,
  OpenGrant,
  PendingGrantRequest,
} from "../../core/grant/facts.ts";
import type { GrantStore } from "../../loops/ports.ts";
import { checkTerm } from "./fences.ts";
import { headOf } from "./rollouts.ts";
import {
  type GrantRecord,
  grantKey,
  isSiteAhead,
  nodesOfSite,
  type SiteRecord,
  type Tables,
} from "./tables.ts";

export function grantStore(tables: Tables): GrantStore {
  return {
    decideGrants: async ({ term, requests, now }, decide) => {
      checkTerm(tables, "grants", term);
      const decisions = decide(factsFor(tables, requests, now));
      for (const decision of decisions) {
        const asked = requests.find((r) => r.key === decision.key);
        if (decision.outcome === "granted") for (const row of decision.rows) put(tables, row);
        tables.events.push({
          at: now,
          site: asked?.site ?? null,
          rolloutId: asked?.request.rolloutId ?? null,
          what: eventName(decision),
          because: decision.because,
        });
      }
      return decisions;
    },
  };
}

const eventName = (decision: GrantDecision): string =>
  decision.outcome === "granted" ? "grant given" : "grant denied";

function put(tables: Tables, row: GrantRow): void {
  for (const grant of tables.grants.values()) {
    const elsewhere = grant.node === row.node && grant.rolloutId !== row.rolloutId;
    if (elsewhere && grant.outcome === null) grant.outcome = "unused";
  }
  const { id, rolloutId, site, node, imageId, rolloutEpoch, nonce, grantedAt } = row;
  const fresh = { id, rolloutId, site, node, imageId, rolloutEpoch, nonce, grantedAt };
  tables.grants.set(grantKey(rolloutId, node), { ...fresh, armed: false, outcome: null });
}

function factsFor(
  tables: Tables,
  requests: readonly PendingGrantRequest[],
  now: number,
): GrantFacts {
  const rolloutIds = new Set(requests.map((r) => r.request.rolloutId));
  const nodeIds = new Set(requests.flatMap((r) => r.request.nodes.map((n) => n.node)));
  const siteIds = new Set(requests.map((r) => r.site));
  const rollouts = [...rolloutIds].flatMap((id) => tables.rollouts.get(id) ?? []);
  const sites = [...siteIds].flatMap((id) => tables.sites.get(id) ?? []);
  const grants = [...tables.grants.values()];
  return {
    frozen: tables.frozen,
    withdrawn: [...tables.classes.values()].flatMap((c) => c.withdrawn.map((w) => w.imageId)),
    rollouts: rollouts.map((record) => headOf(tables, record)),
    sites: sites.map((site) => siteFacts(tables, site, rolloutIds)),
    openGrants: grants.filter((g) => g.outcome === null).flatMap((g) => openGrant(tables, g, now)),
    earlierGrants: grants
      .filter((g) => nodeIds.has(g.node) && rolloutIds.has(g.rolloutId))
      .map(({ id, rolloutId, node, outcome, armed }) => ({ id, rolloutId, node, outcome, armed })),
  };
}

function siteFacts(
  tables: Tables,
  site: SiteRecord,
  rolloutIds: ReadonlySet<RolloutId>,
): GrantSite {
  const { row } = site;
  const memberships = [...rolloutIds].flatMap((rolloutId) => {
    const member = tables.rollouts.get(rolloutId)?.members.get(row.id);
    if (member === undefined) return [];
    const { wave, excluded } = member.member;
    return [{ rolloutId, wave, state: member.state, excluded }];
  });
  return {
    site: row.id,
    status: row.status,
    hollow: row.hollow,
    region: row.region,
    pair: row.pair,
    timeZone: row.timeZone,
    policy: row.policy,
    ahead: isSiteAhead(site),
    memberships,
    nodes: nodesOfSite(tables, row.id).map(({ row: node, state }) => ({
      id: node.id,
      class: node.class,
      hold: node.hold,
      running: state?.slots.measuredImageId ?? null,
      refuses: state?.refusals.map((refusal) => refusal.imageId) ?? [],
    })),
  };
}

function openGrant(tables: Tables, grant: GrantRecord, now: number): OpenGrant[] {
  const site = tables.sites.get(grant.site);
  if (site === undefined) return [];
  const silenceMs = tables.rollouts.get(grant.rolloutId)?.head.policy.gate.silenceMs ?? 0;
  return [
    {
      site: grant.site,
      node: grant.node as NodeId,
      rolloutId: grant.rolloutId,
      hollow: site.row.hollow,
      region: site.row.region,
      pair: site.row.pair,
      silent: now - grant.grantedAt > silenceMs,
    },
  ];
}
