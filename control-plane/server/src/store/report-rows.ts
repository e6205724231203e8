// Evidence from sites, many reports in one transaction: stored once per (site, outbox, seq), states updated
// only where newer, counts moved along, and the highest seq below which nothing is missing.
import type { NodeId, SiteId } from "@drover/shared/ids";
import type { OutboxId, Report } from "@drover/shared/messages/report";
import type { AcceptedReport, IncomingReport, ReportStore, StoredReports } from "../loops/ports.ts";
import { adoptGenerations } from "./beat-rows.ts";
import type { Sql, Transaction } from "./database.ts";
import type { FreshReport } from "./fresh-report.ts";
import { storeNodeEvents } from "./node-event-rows.ts";
import {
  storeNodeFacts,
  storeNodeHealth,
  storeNodeStates,
  storeSiteStates,
} from "./node-state-rows.ts";

export function reportStore(sql: Sql): ReportStore {
  return {
    storeReports: (batch) =>
      sql.begin((transaction) => storeBatch(transaction, batch)) as Promise<StoredReports>,
  };
}

interface Placed {
  readonly site: SiteId;
  readonly outboxId: string;
  readonly seq: number;
  readonly at: number;
  readonly receivedAt: number;
  readonly kind: string;
  readonly node: NodeId | null;
  readonly body: string | null;
  readonly rejected: string | null;
  readonly accepted: AcceptedReport | null;
}

async function storeBatch(
  transaction: Transaction,
  batch: readonly IncomingReport[],
): Promise<StoredReports> {
  const placed = await place(transaction, batch);
  const ordinals = await openOutboxes(transaction, placed);
  const inserted = await insertReports(transaction, placed);
  const fresh = placed.filter((row) => inserted.has(keyOf(row)));
  const accepted = fresh.flatMap((row): FreshReport[] =>
    row.accepted === null
      ? []
      : [{ ...row.accepted, ordinal: ordinals.get(`${row.site}/${row.outboxId}`) ?? 0 }],
  );
  await storeUnreadable(transaction, batch);
  await storeNodeStates(transaction, accepted);
  await storeNodeFacts(transaction, accepted);
  await storeNodeHealth(transaction, accepted);
  await storeSiteStates(transaction, accepted);
  await storeNodeEvents(transaction, accepted);
  const adopted = await adoptGenerations(transaction, accepted);
  const rejectedBefore = batch.filter((each) => each.outcome === "rejected" && !each.position);
  return {
    acks: await raiseAcks(transaction, placed),
    stored: accepted.length,
    duplicates: batch.length - rejectedBefore.length - fresh.length,
    rejected: rejectedBefore.length + fresh.length - accepted.length,
    adopted,
  };
}

const keyOf = (row: { site: string; outboxId: string; seq: number }): string =>
  `${row.site}/${row.outboxId}/${row.seq}`;

/** Gives every report its place; the first of several with the same place counts. */
async function place(
  transaction: Transaction,
  batch: readonly IncomingReport[],
): Promise<readonly Placed[]> {
  const owners = await readOwners(transaction, batch);
  const rows = new Map<string, Placed>();
  for (const each of batch) {
    const row = each.outcome === "accepted" ? placeAccepted(each, owners) : placeRejected(each);
    if (row && !rows.has(keyOf(row))) rows.set(keyOf(row), row);
  }
  return [...rows.values()];
}

function placeRejected(each: Extract<IncomingReport, { outcome: "rejected" }>): Placed | undefined {
  if (!each.position) return undefined;
  return {
    site: each.site,
    ...each.position,
    at: each.receivedAt,
    receivedAt: each.receivedAt,
    kind: "rejected",
    node: null,
    body: JSON.stringify({ sample: each.sample }),
    rejected: each.reason,
    accepted: null,
  };
}

interface Owners {
  readonly sites: ReadonlySet<SiteId>;
  readonly nodes: ReadonlyMap<NodeId, SiteId>;
}

function placeAccepted(each: AcceptedReport, owners: Owners): Placed {
  const { site, outboxId, seq, at, receivedAt, report } = each;
  const node = nodeOf(report);
  const rejected = refusal(each.site, node, owners);
  return {
    site,
    outboxId,
    seq,
    at,
    receivedAt,
    kind: report.kind,
    node,
    body: rejected !== null || keepsBody(report) ? JSON.stringify(report) : null,
    rejected,
    accepted: rejected === null ? each : null,
  };
}

function refusal(site: SiteId, node: NodeId | null, owners: Owners): string | null {
  if (!owners.sites.has(site)) return "the site is not known";
  if (node === null) return null;
  const owner = owners.nodes.get(node);
  if (owner === undefined) return `the node ${node} is not known`;
  return owner === site ? null : `the node ${node} belongs to another site`;
}

const nodeOf = (report: Report): NodeId | null => ("node" in report ? report.node : null);

/** States and health are kept as the newest only; what happened once is kept as it was. */
const keepsBody = (report: Report): boolean =>
  report.kind === "node-event" || report.kind === "boot-event";

async function readOwners(
  transaction: Transaction,
  batch: readonly IncomingReport[],
): Promise<Owners> {
  const siteIds = [...new Set(batch.map((each) => each.site))];
  const nodeIds = batch.flatMap((each) => {
    const node = each.outcome === "accepted" ? nodeOf(each.report) : null;
    return node === null ? [] : [node];
  });
  const sites = await transaction<{ id: SiteId }[]>`
    select id from sites where id = any(${siteIds}::text[])`;
  const nodes = await transaction<{ id: NodeId; site: SiteId }[]>`
    select id, site from nodes where id = any(${[...new Set(nodeIds)]}::text[])`;
  return {
    sites: new Set(sites.map((row) => row.id)),
    nodes: new Map(nodes.map((row) => [row.id, row.site])),
  };
}

interface Box {
  readonly site: SiteId;
  readonly outboxId: string;
  /** The lowest seq that the site still keeps: everything below was acknowledged once. */
  readonly oldestSeq: number;
}

/** Every outbox of the batch once, in the order they first appear. */
function distinctBoxes(placed: readonly Placed[]): Box[] {
  const boxes = new Map<string, Box>();
  for (const { site, outboxId, accepted } of placed) {
    const key = `${site}/${outboxId}`;
    const oldestSeq = Math.max(boxes.get(key)?.oldestSeq ?? 1, accepted?.oldestSeq ?? 1);
    boxes.set(key, { site, outboxId, oldestSeq });
  }
  return [...boxes.values()];
}

/** Makes and locks the outboxes of the batch; returns their order of first sight. */
async function openOutboxes(
  transaction: Transaction,
  placed: readonly Placed[],
): Promise<ReadonlyMap<string, number>> {
  const boxes = distinctBoxes(placed);
  const sites = boxes.map((each) => each.site);
  const outboxIds = boxes.map((each) => each.outboxId);
  await transaction`
    insert into outboxes (site, outbox_id, ordinal, up_to_seq)
    select seen.site, seen.outbox_id,
      (select coalesce(max(ordinal), 0) from outboxes as known where known.site = seen.site)
        + row_number() over (partition by seen.site order by seen.position), 0
    from unnest(${sites}::text[], ${outboxIds}::text[])
      with ordinality as seen (site, outbox_id, position)
    where not exists (select from outboxes as known
      where known.site = seen.site and known.outbox_id = seen.outbox_id)
    order by seen.site on conflict do nothing`;
  const rows = await transaction<{ site: string; outboxId: string; ordinal: number }[]>`
    select outboxes.site, outboxes.outbox_id, ordinal from outboxes
    join unnest(${sites}::text[], ${outboxIds}::text[]) as wanted (site, outbox_id)
      on outboxes.site = wanted.site and outboxes.outbox_id = wanted.outbox_id
    order by outboxes.site, outboxes.outbox_id for update of outboxes`;
  return new Map(rows.map((row) => [`${row.site}/${row.outboxId}`, row.ordinal]));
}

/** Inserts what is not there yet; returns the keys of the new rows. */
async function insertReports(
  transaction: Transaction,
  placed: readonly Placed[],
): Promise<ReadonlySet<string>> {
  if (placed.length === 0) return new Set();
  const rows = await transaction<{ site: string; outboxId: string; seq: number }[]>`
    insert into reports (site, outbox_id, seq, at, received_at, kind, node, body, rejected)
    select * from unnest(${placed.map((row) => row.site)}::text[],
      ${placed.map((row) => row.outboxId)}::text[], ${placed.map((row) => row.seq)}::bigint[],
      ${placed.map((row) => row.at)}::bigint[], ${placed.map((row) => row.receivedAt)}::bigint[],
      ${placed.map((row) => row.kind)}::text[], ${placed.map((row) => row.node)}::text[],
      ${placed.map((row) => row.body)}::text[]::jsonb[],
      ${placed.map((row) => row.rejected)}::text[])
    on conflict do nothing returning site, outbox_id, seq`;
  return new Set(rows.map(keyOf));
}

async function storeUnreadable(
  transaction: Transaction,
  batch: readonly IncomingReport[],
): Promise<void> {
  const rows = batch.flatMap((each) =>
    each.outcome === "rejected" && !each.position ? [each] : [],
  );
  if (rows.length === 0) return;
  await transaction`
    insert into unreadable (site, received_at, reason, sample)
    select * from unnest(${rows.map((row) => row.site)}::text[],
      ${rows.map((row) => row.receivedAt)}::bigint[], ${rows.map((row) => row.reason)}::text[],
      ${rows.map((row) => row.sample)}::text[])`;
}

/** Raises each outbox to the end of its unbroken run and returns where it stands. */
async function raiseAcks(
  transaction: Transaction,
  placed: readonly Placed[],
): Promise<StoredReports["acks"]> {
  const boxes = distinctBoxes(placed);
  if (boxes.length === 0) return [];
  const rows = await transaction<{ site: SiteId; outboxId: OutboxId; upToSeq: number }[]>`
    update outboxes set up_to_seq = reached.up_to_seq
    from (
      select box.site, box.outbox_id, coalesce(run.up_to_seq, box.floor) as up_to_seq
      from (
        select seen.site, seen.outbox_id, greatest(known.up_to_seq, seen.oldest_seq - 1) as floor
        from unnest(${boxes.map((each) => each.site)}::text[],
          ${boxes.map((each) => each.outboxId)}::text[],
          ${boxes.map((each) => each.oldestSeq)}::bigint[]) as seen (site, outbox_id, oldest_seq)
        join outboxes as known
          on known.site = seen.site and known.outbox_id = seen.outbox_id
      ) as box
      left join lateral (
        -- Above the floor a seq equals floor + its rank exactly as long as nothing is missing.
        select max(seq) as up_to_seq from (
          select seq, row_number() over (order by seq) as rank from reports
          where reports.site = box.site and reports.outbox_id = box.outbox_id
            and reports.seq > box.floor
        ) as ranked where seq = box.floor + rank
      ) as run on true
    ) as reached
    where outboxes.site = reached.site and outboxes.outbox_id = reached.outbox_id
    returning outboxes.site, outboxes.outbox_id, outboxes.up_to_seq`;
  return rows.map(({ site, outboxId, upToSeq }) => ({ site, ack: { outboxId, upToSeq } }));
}
