// Grants: a batch of requests is decided by a pure function inside one transaction that holds the rollout
// rows, so that a halt and a grant of the same rollout can never both win.
import type { ImageId, RolloutId, SiteId } from "@drover/shared/ids";
import type {
  EarlierGrant,
  GrantDecision,
  GrantFacts,
  GrantNode,
  GrantRow,
  GrantSite,
  OpenGrant,
  PendingGrantRequest,
} from "../core/grant/facts.ts";
import type { GrantStore } from "../loops/ports.ts";
import type { Sql, Transaction } from "./database.ts";
import { appendEvents } from "./events.ts";
import { isFrozen } from "./fleet-state.ts";
import { checkFence } from "./leases.ts";
import { readHeads, refusedImages } from "./rollout-rows.ts";

export function grantStore(sql: Sql): GrantStore {
  return {
    decideGrants: ({ term, requests, now }, decide) =>
      sql.begin(async (transaction) => {
        await checkFence(transaction, { kind: "loop", lease: "grants", term });
        const decisions = decide(await readFacts(transaction, requests, now));
        const rows = decisions.flatMap((decision) =>
          decision.outcome === "granted" ? decision.rows : [],
        );
        await saveGrants(transaction, rows, now);
        await appendEvents(transaction, eventsOf(requests, decisions, now));
        return decisions;
      }) as Promise<readonly GrantDecision[]>,
  };
}

async function readFacts(
  transaction: Transaction,
  requests: readonly PendingGrantRequest[],
  now: number,
): Promise<GrantFacts> {
  const rolloutIds = [...new Set(requests.map((each) => each.request.rolloutId))].sort();
  const siteIds = [...new Set(requests.map((each) => each.site))].sort();
  await transaction`
    select id from rollouts where id = any(${rolloutIds}::text[]) order by id for update`;
  const withdrawn = await transaction<{ imageId: ImageId }[]>`
    select image_id from releases where withdrawn is not null
    union select entry ->> 'imageId' from classes, jsonb_array_elements(classes.withdrawn) as entry`;
  return {
    frozen: await isFrozen(transaction),
    withdrawn: withdrawn.map((row) => row.imageId),
    rollouts: await readHeads(transaction, rolloutIds),
    sites: await readSites(transaction, siteIds, rolloutIds),
    openGrants: await transaction<OpenGrant[]>`
      select grants.site, sites.hollow, grants.node, grants.rollout_id, sites.region, sites.pair,
        ${now} - grants.granted_at
          > coalesce((rollouts.policy -> 'gate' ->> 'silenceMs')::bigint, 0) as silent
      from grants join sites on sites.id = grants.site
      left join rollouts on rollouts.id = grants.rollout_id
      where grants.outcome is null order by grants.rollout_id, grants.node`,
    earlierGrants: await transaction<EarlierGrant[]>`
      select id, rollout_id, node, outcome, armed from grants
      where rollout_id = any(${rolloutIds}::text[])
        and node = any(${requests.flatMap((each) => each.request.nodes.map(({ node }) => node))}::text[])
      order by rollout_id, node`,
  };
}

async function readSites(
  transaction: Transaction,
  siteIds: readonly SiteId[],
  rolloutIds: readonly RolloutId[],
): Promise<GrantSite[]> {
  const sites = await transaction<Omit<GrantSite, "nodes" | "memberships">[]>`
    select id as site, status, hollow, region, pair, time_zone, policy,
      coalesce(desired.reported_generation
        > greatest(desired.generation, desired.adopted_generation), false) as ahead
    from sites left join site_desired as desired on desired.site = sites.id
    where id = any(${[...siteIds]}::text[]) order by id`;
  const nodes = await transaction<(GrantNode & { site: SiteId })[]>`
    select nodes.site, nodes.id, nodes.class, nodes.hold, node_state.running,
      ${refusedImages(transaction)} as refuses
    from nodes left join node_state on node_state.node = nodes.id
    where nodes.site = any(${[...siteIds]}::text[]) order by nodes.id`;
  const members = await transaction<(GrantSite["memberships"][number] & { site: SiteId })[]>`
    select site, rollout_id, wave, state, excluded from rollout_sites
    where site = any(${[...siteIds]}::text[]) and rollout_id = any(${[...rolloutIds]}::text[])
    order by rollout_id`;
  return sites.map((row) => ({
    ...row,
    nodes: nodes.filter((node) => node.site === row.site).map(({ site: _, ...node }) => node),
    memberships: members
      .filter((member) => member.site === row.site)
      .map(({ site: _, ...member }) => member),
  }));
}

async function saveGrants(
  transaction: Transaction,
  rows: readonly GrantRow[],
  now: number,
): Promise<void> {
  if (rows.length === 0) return;
  // A fresh nonce proves that the node armed nothing with a grant of another rollout.
  await transaction`
    update grants set outcome = 'unused', outcome_at = ${now}
    from unnest(${rows.map((row) => row.node)}::text[], ${rows.map((row) => row.rolloutId)}::text[])
      as fresh (node, rollout_id)
    where grants.node = fresh.node and grants.rollout_id <> fresh.rollout_id
      and grants.outcome is null`;
  await transaction`
    insert into grants (id, rollout_id, rollout_epoch, site, node, nonce, image_id, granted_at,
      first_granted_at)
    select granted.*, granted.granted_at
    from unnest(${rows.map((row) => row.id)}::text[], ${rows.map((row) => row.rolloutId)}::text[],
      ${rows.map((row) => row.rolloutEpoch)}::int[], ${rows.map((row) => row.site)}::text[],
      ${rows.map((row) => row.node)}::text[], ${rows.map((row) => row.nonce)}::text[],
      ${rows.map((row) => row.imageId)}::text[], ${rows.map((row) => row.grantedAt)}::bigint[])
      as granted (id, rollout_id, rollout_epoch, site, node, nonce, image_id, granted_at)
    on conflict (rollout_id, node) do update set id = excluded.id, rollout_epoch = excluded.rollout_epoch,
      nonce = excluded.nonce, image_id = excluded.image_id, granted_at = excluded.granted_at,
      renewals = grants.renewals + 1, armed = false, armed_at = null, outcome = null,
      outcome_at = null`;
}

function eventsOf(
  requests: readonly PendingGrantRequest[],
  decisions: readonly GrantDecision[],
  now: number,
) {
  const byKey = new Map(requests.map((each) => [each.key, each]));
  return decisions.flatMap((decision) => {
    const asked = byKey.get(decision.key);
    if (!asked) return [];
    const what = decision.outcome === "granted" ? "grant given" : "grant denied";
    const { site, request } = asked;
    return [{ at: now, site, rolloutId: request.rolloutId, what, because: decision.because }];
  });
}
