// Rollouts as the rollout loop reads and writes them: all facts of one instant, and one transaction per step.
import type { RolloutId, SiteId } from "@drover/shared/ids";
import type {
  NodeGrant,
  NodeInRollout,
  RolloutFacts,
  RolloutHead,
  RolloutSite,
} from "../core/rollout/facts.ts";
import { UnknownSubjectError, VersionConflictError } from "../loops/errors.ts";
import type { RolloutRow, RolloutStore, RolloutWrite } from "../loops/ports.ts";
import { asJson, jsonTexts, type Queryable, type Sql, type Transaction } from "./database.ts";
import { markDirty, markMembersDirty } from "./dirty-marks.ts";
import { appendEvents } from "./events.ts";
import { checkFence } from "./leases.ts";

export function rolloutStore(sql: Sql): RolloutStore {
  return {
    createRollouts: ({ fence, rows, events }) =>
      sql.begin((transaction) => insertRollouts(transaction, { fence, rows, events })).then(),
    async activeRollouts() {
      const rows = await sql<{ id: RolloutId }[]>`
        select id from rollouts
        where phase in ('scheduled', 'running', 'paused', 'halted')
          or (phase <> 'draft' and exists (
            select from grants where grants.rollout_id = rollouts.id and outcome is null))
        order by created_at, id`;
      return rows.map((row) => row.id);
    },
    async rolloutHead(id) {
      return (await readHeads(sql, [id]))[0] ?? null;
    },
    rolloutFacts: (id) =>
      sql.begin("isolation level repeatable read read only", (transaction) =>
        readFacts(transaction, id),
      ) as Promise<RolloutFacts | null>,
    saveRolloutStep: (write) => sql.begin((transaction) => saveStep(transaction, write)).then(),
  };
}

interface HeadRow extends Omit<RolloutHead, "accepted"> {
  readonly acceptedFailed: number;
  readonly acceptedSilent: number;
}

/** Rollout rows in the order of their ids; unknown ones are left out. */
export async function readHeads(sql: Queryable, ids: readonly RolloutId[]): Promise<RolloutHead[]> {
  const rows = await sql<HeadRow[]>`
    select id, name, created_at, policy, releases, wave_count, state, rollout_epoch, version,
      accepted_failed, accepted_silent, rolls_back,
      exists (select from rollouts as back
        where back.rolls_back = rollouts.id and back.phase <> 'cancelled') as rolled_back
    from rollouts where id = any(${[...ids]}::text[]) order by id`;
  return rows.map(({ acceptedFailed, acceptedSilent, ...head }) => ({
    ...head,
    accepted: { failed: acceptedFailed, silent: acceptedSilent },
  }));
}

type AssignedByClass = NonNullable<RolloutSite["document"]>["assigned"];

interface SiteRow extends Omit<RolloutSite, "nodes" | "committed" | "document"> {
  readonly committed: RolloutSite["committed"] | null;
  readonly generation: number | null;
  readonly assigned: AssignedByClass | null;
}

async function readFacts(transaction: Transaction, id: RolloutId): Promise<RolloutFacts | null> {
  const head = (await readHeads(transaction, [id]))[0];
  if (!head) return null;
  const sites = await transaction<SiteRow[]>`
    select member.site, member.wave, member.state, member.since, sites.status, sites.hollow,
      member.stratum, site_state.heard_at, (sites.policy ->> 'beatMs')::int as beat_ms,
      member.excluded, member.before,
      (select jsonb_object_agg(touched.class, coalesce(own.release, classes.release))
        from jsonb_object_keys(rollouts.releases) as touched (class)
        left join site_releases as own
          on own.site = member.site and own.class = touched.class
        left join classes on classes.name = touched.class) as committed,
      desired.generation,
      (select jsonb_object_agg(touched.class,
          desired.content -> 'classes' -> touched.class -> 'assigned')
        from jsonb_object_keys(rollouts.releases) as touched (class)) as assigned
    from rollout_sites as member
    join rollouts on rollouts.id = member.rollout_id
    join sites on sites.id = member.site
    left join site_state on site_state.site = member.site
    left join site_desired as desired
      on desired.site = member.site and desired.content is not null
    where member.rollout_id = ${id} order by member.site`;
  const nodes = await readNodes(transaction, id);
  return {
    head,
    sites: sites.map(({ generation, assigned, committed, ...row }) => ({
      ...row,
      committed: committed ?? {},
      document: generation === null ? null : { generation, assigned: assigned ?? {} },
      nodes: nodes.get(row.site) ?? [],
    })),
  };
}

interface NodeRow extends Omit<NodeInRollout, "grant"> {
  readonly site: SiteId;
  readonly grantId: NodeGrant["id"] | null;
  readonly grantedAt: number | null;
  readonly rolloutEpoch: number | null;
  readonly outcome: NodeGrant["outcome"];
}

async function readNodes(
  transaction: Transaction,
  id: RolloutId,
): Promise<Map<SiteId, NodeInRollout[]>> {
  const rows = await transaction<NodeRow[]>`
    select nodes.site, nodes.id, nodes.class, nodes.hold, node_state.update ->> 'phase' as phase,
      node_state.update ->> 'imageId' as moving_to, node_state.update ->> 'rolloutId' as moving_for,
      node_state.running, ${refusedImages(transaction)} as refuses, node_state.reported_at,
      coalesce(node_state.report_generation, 0) as report_generation,
      grants.id as grant_id, grants.granted_at, grants.rollout_epoch, grants.outcome
    from nodes
    join rollout_sites on rollout_sites.site = nodes.site and rollout_sites.rollout_id = ${id}
    left join node_state on node_state.node = nodes.id
    left join grants on grants.rollout_id = ${id} and grants.node = nodes.id
    order by nodes.id`;
  const bySite = new Map<SiteId, NodeInRollout[]>();
  for (const { site, grantId, grantedAt, rolloutEpoch, outcome, ...node } of rows) {
    const grant =
      grantId === null || grantedAt === null || rolloutEpoch === null
        ? null
        : { id: grantId, grantedAt, rolloutEpoch, outcome };
    const list = bySite.get(site) ?? [];
    list.push({ ...node, grant });
    bySite.set(site, list);
  }
  return bySite;
}

/** Images that `node_state` says the node refuses, as text[]. */
export function refusedImages(sql: Queryable): ReturnType<Queryable> {
  return sql`coalesce(array(select refusal ->> 'imageId'
    from jsonb_array_elements(node_state.refusals) as refusal), '{}'::text[])`;
}

/** Inserts all rows and their members, or nothing when one would roll back what is rolled back already. */
export async function insertRollouts(
  transaction: Transaction,
  { fence, rows, events }: Parameters<RolloutStore["createRollouts"]>[0],
): Promise<boolean> {
  await checkFence(transaction, fence);
  const undone = rows.flatMap(({ head }) => (head.rollsBack === null ? [] : [head.rollsBack]));
  // The rows rolled back are locked, so that of two simultaneous roll backs one sees the other.
  await transaction`select id from rollouts where id = any(${undone}::text[]) order by id for update`;
  const heads = await readHeads(transaction, undone);
  if (heads.some((head) => head.rolledBack)) return false;
  for (const { head, members } of rows) {
    await transaction`
      insert into rollouts (id, name, created_at, created_by, policy, releases, wave_count, state,
        phase, rollout_epoch, version, accepted_failed, accepted_silent, rolls_back)
      values (${head.id}, ${head.name}, ${head.createdAt},
        ${fence.kind === "person" ? fence.by : "the control plane"},
        ${asJson(transaction, head.policy)}, ${asJson(transaction, head.releases)},
        ${head.waveCount}, ${asJson(transaction, head.state)}, ${head.state.phase}, ${head.rolloutEpoch},
        ${head.version}, ${head.accepted.failed}, ${head.accepted.silent}, ${head.rollsBack})`;
    await insertMembers(transaction, head, members);
  }
  await appendEvents(transaction, events);
  return true;
}

async function insertMembers(
  transaction: Transaction,
  head: RolloutHead,
  members: RolloutRow["members"],
): Promise<void> {
  await transaction`
    insert into rollout_sites (rollout_id, site, wave, stratum, excluded, before, state, since)
    select ${head.id}, member.*, 'waiting', ${head.createdAt}::bigint
    from unnest(${members.map((each) => each.site)}::text[],
      ${members.map((each) => each.wave)}::int[],
      ${members.map((each) => each.stratum)}::text[],
      ${members.map((each) => String(each.excluded))}::text[]::boolean[],
      ${jsonTexts(members.map((each) => each.before))}::text[]::jsonb[]) as member`;
}

/** Why the rollout itself stands where it does now; moves of single sites do not change that. */
function rolloutReasons(write: RolloutWrite): readonly string[] | undefined {
  return write.events.findLast((event) => event.site === null)?.because.slice(1);
}

async function saveStep(transaction: Transaction, write: RolloutWrite): Promise<void> {
  await checkFence(transaction, write.fence);
  const rows = await transaction<{ version: number }[]>`
    select version from rollouts where id = ${write.id} for update`;
  const found = rows[0]?.version;
  if (found === undefined) throw new UnknownSubjectError(write.id);
  if (found !== write.expectedVersion)
    throw new VersionConflictError(write.id, write.expectedVersion, found);
  const reasons = rolloutReasons(write);
  await transaction`
    update rollouts set state = ${asJson(transaction, write.state)}, phase = ${write.state.phase},
      rollout_epoch = ${write.rolloutEpoch}, version = version + 1,
      accepted_failed = ${write.accepted.failed}, accepted_silent = ${write.accepted.silent},
      because = ${reasons ? asJson(transaction, reasons) : transaction`because`}
    where id = ${write.id}`;
  await saveSites(transaction, write);
  await transaction`
    update grants set outcome = settled.outcome, outcome_at = ${write.now}
    from unnest(${write.settled.map((each) => each.node)}::text[],
                ${write.settled.map((each) => each.grantedAt)}::bigint[],
                ${write.settled.map((each) => each.outcome)}::text[])
      as settled (node, granted_at, outcome)
    where grants.granted_at = settled.granted_at and grants.node = settled.node and grants.rollout_id = ${write.id} and grants.outcome is null`;
  await saveSiteReleases(transaction, write.siteReleases);
  if (write.dirtySites === "members") await markMembersDirty(transaction, write.id);
  else await markDirty(transaction, write.dirtySites);
  await appendEvents(transaction, write.events);
}

async function saveSites(transaction: Transaction, write: RolloutWrite): Promise<void> {
  if (write.sites.length === 0) return;
  await transaction`
    update rollout_sites as member set
      because = changed.because,
      since = case when member.state = changed.state then member.since else ${write.now} end,
      state = changed.state
    from unnest(${write.sites.map((each) => each.site)}::text[],
                ${write.sites.map((each) => each.state)}::text[],
                ${jsonTexts(write.sites.map((each) => each.because))}::text[]::jsonb[])
      as changed (site, state, because)
    where member.rollout_id = ${write.id} and member.site = changed.site`;
}

/** Writes the committed release of sites per class. */
export async function saveSiteReleases(
  sql: Queryable,
  changes: RolloutWrite["siteReleases"],
): Promise<void> {
  if (changes.length === 0) return;
  await sql`
    insert into site_releases (site, class, release)
    select * from unnest(${changes.map((each) => each.site)}::text[],
      ${changes.map((each) => each.class)}::text[],
      ${jsonTexts(changes.map((each) => each.release))}::text[]::jsonb[])
    on conflict (site, class) do update set release = excluded.release`;
}
