// Outboxes of sites: each seq has one place, and a site may forget everything up to the end of the unbroken
// run. What it forgot before we stored it is lost for good and noted.
import type { NodeId, SiteId } from "@drover/shared/ids";
import type { OutboxId } from "@drover/shared/messages/report";
import type { AcceptedReport, StoredReports } from "../loops/ports.ts";
import type { Transaction } from "./database.ts";
import { appendEvents } from "./events.ts";

/** A report of the batch at its place in the sequence of its outbox. */
export interface PlacedReport {
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

interface Box {
  readonly site: SiteId;
  readonly outboxId: string;
  /** The lowest seq that the site still keeps: everything below was acknowledged once. */
  readonly oldestSeq: number;
}

/** Every outbox of the batch once, in the order they first appear. */
function distinctBoxes(placed: readonly PlacedReport[]): Box[] {
  const boxes = new Map<string, Box>();
  for (const { site, outboxId, accepted } of placed) {
    const key = `${site}/${outboxId}`;
    const oldestSeq = Math.max(boxes.get(key)?.oldestSeq ?? 1, accepted?.oldestSeq ?? 1);
    boxes.set(key, { site, outboxId, oldestSeq });
  }
  return [...boxes.values()];
}

interface OpenBox {
  readonly ordinal: number;
  readonly upToSeq: number;
}

/** Makes and locks the outboxes of the batch; returns their order of first sight. */
export async function openOutboxes(
  transaction: Transaction,
  placed: readonly PlacedReport[],
): Promise<ReadonlyMap<string, OpenBox>> {
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
  const rows = await transaction<(OpenBox & { site: string; outboxId: string })[]>`
    select outboxes.site, outboxes.outbox_id, ordinal, up_to_seq from outboxes
    join unnest(${sites}::text[], ${outboxIds}::text[]) as wanted (site, outbox_id)
      on outboxes.site = wanted.site and outboxes.outbox_id = wanted.outbox_id
    order by outboxes.site, outboxes.outbox_id for update of outboxes`;
  return new Map(rows.map((row) => [`${row.site}/${row.outboxId}`, row]));
}

/** What a site no longer keeps will never come: acknowledged once, lost with an older database. */
export async function noteLostReports(
  transaction: Transaction,
  placed: readonly PlacedReport[],
  boxes: ReadonlyMap<string, OpenBox>,
): Promise<void> {
  for (const { site, outboxId, oldestSeq } of distinctBoxes(placed)) {
    const upToSeq = boxes.get(`${site}/${outboxId}`)?.upToSeq ?? 0;
    if (oldestSeq <= upToSeq + 1) continue;
    const rows = await transaction<{ kept: number }[]>`
      select count(*)::int as kept from reports where site = ${site} and outbox_id = ${outboxId}
        and seq > ${upToSeq} and seq < ${oldestSeq}`;
    if ((rows[0]?.kept ?? 0) === oldestSeq - 1 - upToSeq) continue;
    const at = Math.max(
      0,
      ...placed.filter((row) => row.site === site).map((row) => row.receivedAt),
    );
    const because = [`the site no longer keeps ${upToSeq + 1} to ${oldestSeq - 1}`];
    await appendEvents(transaction, [{ at, site, rolloutId: null, what: "reports lost", because }]);
  }
}

/** Raises each outbox to the end of its unbroken run and returns where it stands. */
export async function raiseAcks(
  transaction: Transaction,
  placed: readonly PlacedReport[],
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
