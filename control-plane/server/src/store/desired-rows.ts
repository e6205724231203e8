// Desired documents: the facts they are made from, read at one instant, and the document and its outbox row
// written in one transaction. A generation is never written over another than the one that was read.
import type { SiteId } from "@drover/shared/ids";
import type { NodeDesired } from "@drover/shared/messages/desired";
import type { SiteClass, SiteDesiredFacts, SiteRollout } from "../core/assignment/facts.ts";
import { VersionConflictError } from "../loops/errors.ts";
import type { DesiredStore, DesiredWrite } from "../loops/ports.ts";
import { asJson, type Sql, type Transaction } from "./database.ts";
import { appendEvents } from "./events.ts";
import { isFrozen } from "./fleet-state.ts";
import { checkFence } from "./leases.ts";

/** A document names at most this many withdrawn images per class, the newest. */
const withdrawnMax = 200;
/** Rollouts a document is made from: the newest of the site. */
const rolloutsMax = 100;

export function desiredStore(sql: Sql): DesiredStore {
  return {
    async dirtySites({ issuedBefore, limit }) {
      const rows = await sql<{ site: SiteId }[]>`
        select desired.site from site_desired as desired join sites on sites.id = desired.site
        where desired.dirty_mark is not null or desired.issued_at < ${issuedBefore}
        order by desired.dirty_mark nulls last, desired.issued_at limit ${limit}`;
      return rows.map((row) => row.site);
    },
    siteDesiredFacts: (site) =>
      sql.begin("isolation level repeatable read read only", (transaction) =>
        readFacts(transaction, site),
      ) as Promise<SiteDesiredFacts | null>,
    saveDesired: (write) => sql.begin((transaction) => saveDesired(transaction, write)).then(),
    async clearDirty(site, dirtySeq) {
      await sql`update site_desired set dirty_mark = null
        where site = ${site} and dirty_seq = ${dirtySeq}`;
    },
  };
}

interface SiteRow extends Pick<SiteDesiredFacts, "status" | "policy"> {
  readonly generation: number | null;
  readonly issuedAt: number | null;
  readonly content: NonNullable<SiteDesiredFacts["stored"]>["content"] | null;
  readonly reportedGeneration: number | null;
  readonly adoptedGeneration: number | null;
  readonly dirtySeq: number | null;
}

async function readFacts(transaction: Transaction, site: SiteId): Promise<SiteDesiredFacts | null> {
  const rows = await transaction<SiteRow[]>`
    select sites.status, sites.policy, desired.generation, desired.issued_at, desired.content,
      desired.reported_generation, desired.adopted_generation, desired.dirty_seq
    from sites left join site_desired as desired on desired.site = sites.id
    where sites.id = ${site}`;
  const row = rows[0];
  if (!row) return null;
  const { generation, issuedAt, content } = row;
  return {
    site,
    status: row.status,
    policy: row.policy,
    nodes: await readNodes(transaction, site),
    classes: await readClasses(transaction, site),
    rollouts: await readRollouts(transaction, site),
    metadata: await readMetadata(transaction),
    stored:
      generation === null || issuedAt === null || content === null
        ? null
        : { generation, issuedAt, content },
    reportedGeneration: row.reportedGeneration ?? 0,
    adoptedGeneration: row.adoptedGeneration ?? 0,
    dirtySeq: row.dirtySeq ?? 0,
    frozen: await isFrozen(transaction),
  };
}

interface NodeRow extends Omit<NodeDesired, "install"> {
  readonly installSerial: number;
  readonly installIssuedAt: number | null;
}

async function readNodes(transaction: Transaction, site: SiteId): Promise<NodeDesired[]> {
  const rows = await transaction<NodeRow[]>`
    select id, class, hold, install_serial, install_issued_at, refusals_cleared,
      array(select mac from node_macs where node = nodes.id order by position) as macs
    from nodes where site = ${site} order by id`;
  return rows.map(({ installSerial, installIssuedAt, ...node }) => ({
    ...node,
    install: installIssuedAt === null ? null : { serial: installSerial, issuedAt: installIssuedAt },
  }));
}

function readClasses(transaction: Transaction, site: SiteId): Promise<SiteClass[]> {
  return transaction<SiteClass[]>`
    with withdrawn as (
      select jsonb_agg(jsonb_build_object('imageId', image_id, 'reason', withdrawn)
        order by image_id) as list
      from (select image_id, min(withdrawn) as withdrawn from releases
        where withdrawn is not null group by image_id, counter
        order by counter desc limit ${withdrawnMax}) as newest
    )
    select classes.name, coalesce(own.release, classes.release) as committed, classes.minimum,
      classes.withdrawn || coalesce(withdrawn.list, '[]'::jsonb) as withdrawn, classes.procedure
    from classes cross join withdrawn
    left join site_releases as own on own.site = ${site} and own.class = classes.name
    where exists (select from nodes where nodes.site = ${site} and nodes.class = classes.name)
    order by classes.name`;
}

function readRollouts(transaction: Transaction, site: SiteId): Promise<SiteRollout[]> {
  return transaction<SiteRollout[]>`
    select rollouts.id as rollout_id, rollouts.rollout_epoch, rollouts.created_at, rollouts.phase,
      rollouts.releases, member.state as site_state,
      exists (select from grants
        where grants.rollout_id = rollouts.id and grants.site = ${site}) as touched
    from rollout_sites as member join rollouts on rollouts.id = member.rollout_id
    where member.site = ${site}
      and rollouts.phase not in ('draft', 'awaiting-approval')
    order by rollouts.created_at desc, rollouts.id desc limit ${rolloutsMax}`;
}

async function readMetadata(transaction: Transaction): Promise<SiteDesiredFacts["metadata"]> {
  const roots = await transaction<{ version: number | null }[]>`
    select max(version) as version from roots`;
  const channels = await transaction<{ name: string; version: number; sha256: never }[]>`
    select name, version, sha256 from channels order by name`;
  return {
    rootVersion: roots[0]?.version ?? 1,
    releases: Object.fromEntries(
      channels.map(({ name, version, sha256 }) => [name, { version, sha256 }]),
    ),
  };
}

async function saveDesired(transaction: Transaction, write: DesiredWrite): Promise<void> {
  await checkFence(transaction, write.fence);
  await transaction`insert into site_desired (site) values (${write.site}) on conflict do nothing`;
  const rows = await transaction<{ generation: number }[]>`
    select generation from site_desired where site = ${write.site} for update`;
  const found = rows[0]?.generation ?? 0;
  if (found !== write.expectedGeneration)
    throw new VersionConflictError(write.site, write.expectedGeneration, found);
  await transaction`
    update site_desired set generation = ${write.generation}, issued_at = ${write.issuedAt},
      content = ${asJson(transaction, write.content)}, body = ${asJson(transaction, write.body)},
      because = ${asJson(transaction, write.because)},
      dirty_mark = case when dirty_seq = ${write.dirtySeq} then null else dirty_mark end
    where site = ${write.site}`;
  await transaction`insert into outbox (site, body)
    values (${write.site}, ${asJson(transaction, write.body)})`;
  const { issuedAt: at, site, because } = write;
  await appendEvents(transaction, [
    { at, site, rolloutId: null, what: "desired state issued", because },
  ]);
}
