// Evidence from sites, many reports in one transaction: stored once per (site, outbox, seq), states updated
// only where newer, counts moved along, and the highest seq below which nothing is missing.

import type { NodeId, SiteId } from "@drover/shared/ids";
import type { Report } from "@drover/shared/messages/report";
import postgres from "postgres";
import { UnstorableReportError } from "../loops/errors.ts";
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
import { noteLostReports, openOutboxes, type PlacedReport, raiseAcks } from "./report-outboxes.ts";

export function reportStore(sql: Sql): ReportStore {
  return {
    async storeReports(batch) {
      try {
        return await sql.begin((transaction) => storeBatch(transaction, batch));
      } catch (error) {
        throw isDataFault(error) ? new UnstorableReportError(error) : error;
      }
    },
  };
}

/** SQLSTATE classes 22 (data exception) and 54 (program limit): trying again can't help. */
function isDataFault(error: unknown): boolean {
  return error instanceof postgres.PostgresError && /^(22|54)/.test(error.code);
}

async function storeBatch(
  transaction: Transaction,
  received: readonly IncomingReport[],
): Promise<StoredReports> {
  const owners = await readOwners(transaction, received);
  const batch = received.map((each) => (owners.sites.has(each.site) ? each : withoutSite(each)));
  const placed = place(batch, owners);
  const boxes = await openOutboxes(transaction, placed);
  const inserted = await insertReports(transaction, placed);
  const fresh = placed.filter((row) => inserted.has(keyOf(row)));
  const accepted = fresh.flatMap((row): FreshReport[] =>
    row.accepted === null
      ? []
      : [{ ...row.accepted, ordinal: boxes.get(`${row.site}/${row.outboxId}`)?.ordinal ?? 0 }],
  );
  await storeUnreadable(transaction, batch);
  await noteLostReports(transaction, placed, boxes);
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

/** A site that nobody registered has no outboxes here: kept for people to see, acknowledged to nobody. */
function withoutSite({ site, receivedAt, ...each }: IncomingReport): IncomingReport {
  const sample = each.outcome === "accepted" ? each.report.kind : each.sample;
  const reason = "the site is not known";
  return { outcome: "rejected", site, position: null, receivedAt, reason, sample };
}

/** Gives every report its place; the first of several with the same place counts. */
function place(batch: readonly IncomingReport[], owners: Owners): readonly PlacedReport[] {
  const rows = new Map<string, PlacedReport>();
  for (const each of batch) {
    const row = each.outcome === "accepted" ? placeAccepted(each, owners) : placeRejected(each);
    if (row && !rows.has(keyOf(row))) rows.set(keyOf(row), row);
  }
  return [...rows.values()];
}

function placeRejected(
  each: Extract<IncomingReport, { outcome: "rejected" }>,
): PlacedReport | undefined {
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

function placeAccepted(each: AcceptedReport, owners: Owners): PlacedReport {
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

/** Inserts what is not there yet; returns the keys of the new rows. */
async function insertReports(
  transaction: Transaction,
  placed: readonly PlacedReport[],
): Promise<ReadonlySet<string>> {
  if (placed.length === 0) return new Set();
  const rows = await transaction<{ site: string; outboxId: string; seq: number }[]>`
    insert into reports (site, outbox_id, seq, at, received_at, kind, node, body, rejected)
    select said.* from unnest(${placed.map((row) => row.site)}::text[],
      ${placed.map((row) => row.outboxId)}::text[], ${placed.map((row) => row.seq)}::bigint[],
      ${placed.map((row) => row.at)}::bigint[], ${placed.map((row) => row.receivedAt)}::bigint[],
      ${placed.map((row) => row.kind)}::text[], ${placed.map((row) => row.node)}::text[],
      ${placed.map((row) => row.body)}::text[]::jsonb[],
      ${placed.map((row) => row.rejected)}::text[])
      as said (site, outbox_id, seq, at, received_at, kind, node, body, rejected)
    join outboxes on outboxes.site = said.site and outboxes.outbox_id = said.outbox_id
    where said.seq > outboxes.up_to_seq
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
