// What must hold after any faults, read from both ends: the sites' outboxes and nodes' disks in their SQLite
// file, the centre's rows in Postgres. Returns every breach as a sentence instead of stopping at the first.
import { DatabaseSync } from "node:sqlite";
import { HollowNodeMemory } from "@drover/agent/hollow/hollow-node";
import { parseBootEnv } from "@drover/shared/disk/boot-env";
import type { ImageId } from "@drover/shared/ids";
import type postgres from "postgres";
import type { HollowMember } from "./fault-fleet.ts";

export interface Checked {
  readonly breaches: readonly string[];
  readonly reports: number;
  readonly grants: number;
  /** Grants given again because the first answer was lost; one arming at most came of them. */
  readonly renewals: number;
  readonly armings: number;
}

interface SiteSide {
  readonly lastSeq: number;
  readonly outboxId: string;
  readonly waiting: ReadonlySet<number>;
  readonly memory: HollowNodeMemory;
}

/** What a site knows by itself; opens the file read-only, so the agent may run. */
export function readSiteSide(sqlite: string, { site, node }: HollowMember): SiteSide {
  const database = new DatabaseSync(sqlite, { readOnly: true });
  try {
    const place = database
      .prepare("SELECT outbox_id, last_seq FROM outbox_place WHERE site = ?")
      .get(site);
    const waiting = database.prepare("SELECT seq FROM outbox WHERE site = ?").all(site);
    const kept = database
      .prepare("SELECT text FROM document WHERE site = ? AND name = ?")
      .get(site, `hollow-node:${node}`);
    return {
      lastSeq: Number(place?.["last_seq"]),
      outboxId: String(place?.["outbox_id"]),
      waiting: new Set(waiting.map((row) => Number(row["seq"]))),
      memory: HollowNodeMemory.parse(JSON.parse(String(kept?.["text"]))),
    };
  } finally {
    database.close();
  }
}

export async function checkFleet(input: {
  readonly sql: postgres.Sql;
  readonly sqlite: string;
  readonly members: readonly HollowMember[];
  readonly rollout: string;
  readonly imageId: ImageId;
}): Promise<Checked> {
  const { sql, sqlite, members, rollout, imageId } = input;
  const breaches: string[] = [];
  let reports = 0;
  let armings = 0;
  for (const member of members) {
    const side = readSiteSide(sqlite, member);
    reports += await checkOutbox(sql, member, side, breaches);
    armings += checkNode(member, side, imageId, breaches);
    await checkEvents(sql, member, { rollout, imageId }, breaches);
  }
  const grants =
    await sql`select node, renewals, outcome from grants where rollout_id = ${rollout}`;
  for (const { node } of members) {
    const own = grants.filter((row) => row["node"] === node);
    const outcomes = own.map((row) => row["outcome"]).join(", ");
    if (own.length !== 1) breaches.push(`node ${node} has ${own.length} grants of the rollout`);
    else if (outcomes !== "committed") breaches.push(`the grant of ${node} ended as ${outcomes}`);
  }
  const renewals = grants.reduce((sum, row) => sum + Number(row["renewals"]), 0);
  return { breaches, reports, grants: grants.length, renewals, armings };
}

/** Everything the site ever numbered is stored exactly once, or still waits; nothing else is stored. */
async function checkOutbox(
  sql: postgres.Sql,
  { site }: HollowMember,
  { lastSeq, outboxId, waiting }: SiteSide,
  breaches: string[],
): Promise<number> {
  const rows =
    await sql`select outbox_id, seq::int as seq, rejected from reports where site = ${site}`;
  const stored = new Set<number>();
  for (const row of rows) {
    const seq = Number(row["seq"]);
    if (row["outbox_id"] !== outboxId) breaches.push(`site ${site} has rows of another outbox`);
    if (stored.has(seq)) breaches.push(`report ${seq} of site ${site} has two rows`);
    if (row["rejected"] !== null) breaches.push(`report ${seq} of ${site}: ${row["rejected"]}`);
    if (seq > lastSeq) breaches.push(`site ${site} never wrote the stored report ${seq}`);
    stored.add(seq);
  }
  for (let seq = 1; seq <= lastSeq; seq += 1)
    if (!waiting.has(seq) && !stored.has(seq))
      breaches.push(`report ${seq} of site ${site} was acknowledged and is not stored`);
  return stored.size;
}

/** The boot environment counts armings: one trial, made the default. */
function checkNode(
  { node }: HollowMember,
  { memory }: SiteSide,
  imageId: ImageId,
  breaches: string[],
): number {
  const env = parseBootEnv(Buffer.from(memory.disk.grubenv, "base64"));
  if (env.seq !== 1) breaches.push(`node ${node} armed ${env.seq} trials`);
  if (env.try !== "-" || env.left !== 0) breaches.push(`node ${node} still has a trial armed`);
  if (memory.disk[env.def] !== imageId) breaches.push(`node ${node} boots another image`);
  return env.seq;
}

/** One arming, one trial boot and one commit were told, all under the same grant. */
async function checkEvents(
  sql: postgres.Sql,
  { node }: HollowMember,
  { rollout, imageId }: { rollout: string; imageId: ImageId },
  breaches: string[],
): Promise<void> {
  const told = await sql`
    select body ->> 'event' as event, body ->> 'grantId' as grant from reports
    where node = ${node} and kind = 'node-event' and body ->> 'rolloutId' = ${rollout}
      and body ->> 'imageId' = ${imageId}`;
  for (const event of ["armed", "booted", "committed"]) {
    const own = told.filter((row) => row["event"] === event);
    if (own.length !== 1) breaches.push(`node ${node} told ${own.length} times that it ${event}`);
  }
}
