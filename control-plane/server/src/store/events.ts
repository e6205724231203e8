// The timeline: what happened and why, written in the transaction of the change itself.
import type { EventRecord } from "../loops/ports.ts";
import { jsonTexts, type Queryable } from "./database.ts";

/** An event may also name the node it is about. */
export type StoredEvent = EventRecord & { readonly node?: string | null };

export async function appendEvents(sql: Queryable, events: readonly StoredEvent[]): Promise<void> {
  if (events.length === 0) return;
  await sql`
    insert into events (at, site, node, rollout_id, what, because)
    select * from unnest(
      ${events.map((event) => event.at)}::bigint[],
      ${events.map((event) => event.site)}::text[],
      ${events.map((event) => event.node ?? null)}::text[],
      ${events.map((event) => event.rolloutId)}::text[],
      ${events.map((event) => event.what)}::text[],
      ${jsonTexts(events.map((event) => event.because))}::text[]::jsonb[])`;
}
