// The newest state of nodes and sites. A report of an older outbox, or of a lower seq of the same outbox,
// changes nothing; counts by running image move in the same transaction.
import type { ImageId, NodeId } from "@drover/shared/ids";
import type { Report } from "@drover/shared/messages/report";
import { jsonTexts, type Transaction } from "./database.ts";
import { markDirty } from "./dirty-marks.ts";
import type { FreshReport } from "./fresh-report.ts";
import { armGrants } from "./node-event-rows.ts";

type Of<Kind extends Report["kind"]> = FreshReport & {
  readonly report: Extract<Report, { kind: Kind }>;
};

/** The newest report of a kind per node, or per site where the kind names no node; ordered by key. */
function newest<Kind extends Report["kind"]>(
  reports: readonly FreshReport[],
  kind: Kind,
): Of<Kind>[] {
  const byKey = new Map<string, Of<Kind>>();
  for (const each of reports) {
    if (each.report.kind !== kind) continue;
    const key = "node" in each.report && each.report.node ? each.report.node : each.site;
    const known = byKey.get(key);
    if (!known || isNewer(each, known)) byKey.set(key, each as Of<Kind>);
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

const isNewer = (a: FreshReport, b: FreshReport): boolean =>
  a.ordinal > b.ordinal || (a.ordinal === b.ordinal && a.seq > b.seq);

const orders = (rows: readonly FreshReport[]) => ({
  ordinals: rows.map((row) => row.ordinal),
  seqs: rows.map((row) => row.seq),
});

/** Makes rows for nodes that never reported, so that the updates below have something to lock. */
async function ensureNodes(
  transaction: Transaction,
  rows: readonly Of<"node-state" | "node-facts" | "node-health">[],
): Promise<void> {
  await transaction`
    insert into node_state (node, site)
    select * from unnest(${rows.map((row) => row.report.node)}::text[],
      ${rows.map((row) => row.site)}::text[]) on conflict do nothing`;
}

export async function storeNodeStates(
  transaction: Transaction,
  reports: readonly FreshReport[],
): Promise<void> {
  const rows = newest(reports, "node-state");
  if (rows.length === 0) return;
  await ensureNodes(transaction, rows);
  const nodes = rows.map((row) => row.report.node);
  const before = await transaction<{ node: NodeId; running: ImageId | null; hollow: boolean }[]>`
    select node_state.node, node_state.running, sites.hollow
    from node_state join sites on sites.id = node_state.site
    where node = any(${nodes}::text[]) order by node for update of node_state`;
  const { ordinals, seqs } = orders(rows);
  const changed = await transaction<{ node: NodeId; running: ImageId | null }[]>`
    update node_state set running = said.running, slots = said.slots, update = said.update,
      refusals = said.refusals, boot_id = said.boot_id, agent_version = said.agent_version,
      reported_at = said.reported_at, report_generation = said.generation,
      state_ordinal = said.ordinal, state_seq = said.seq
    from unnest(${nodes}::text[], ${rows.map((row) => row.report.slots.measuredImageId)}::text[],
      ${jsonTexts(rows.map((row) => row.report.slots))}::text[]::jsonb[],
      ${jsonTexts(rows.map((row) => row.report.update))}::text[]::jsonb[],
      ${jsonTexts(rows.map((row) => row.report.refusals))}::text[]::jsonb[],
      ${rows.map((row) => row.report.bootId)}::text[],
      ${rows.map((row) => row.report.agentVersion)}::text[],
      ${rows.map((row) => row.receivedAt)}::bigint[],
      ${rows.map((row) => row.generation)}::bigint[], ${ordinals}::int[], ${seqs}::bigint[])
      as said (node, running, slots, update, refusals, boot_id, agent_version, reported_at,
        generation, ordinal, seq)
    where node_state.node = said.node
      and (node_state.state_ordinal, node_state.state_seq) < (said.ordinal, said.seq)
    returning node_state.node, node_state.running`;
  await moveCounts(transaction, before, changed);
  await armGrants(transaction, trials(rows));
  await adoptInstallRelease(
    transaction,
    changed.map((row) => row.node),
  );
}

/** A node in trial has armed its grant, even if the event of it is still on the way. */
function trials(rows: readonly Of<"node-state">[]) {
  return rows.flatMap(({ receivedAt: at, report: { node, update } }) =>
    update.rolloutId !== null && (update.phase === "trial" || update.phase === "proving")
      ? [{ node, rolloutId: update.rolloutId, at }]
      : [],
  );
}

async function moveCounts(
  transaction: Transaction,
  before: readonly { node: NodeId; running: ImageId | null; hollow: boolean }[],
  changed: readonly { node: NodeId; running: ImageId | null }[],
): Promise<void> {
  const earlier = new Map(before.map((row) => [row.node, row]));
  const moves = new Map<string, number>();
  for (const { node, running } of changed) {
    const was = earlier.get(node);
    if (!was || was.running === running) continue;
    for (const [imageId, by] of [[was.running, -1] as const, [running, 1] as const]) {
      const key = `${was.hollow}/${imageId ?? ""}`;
      moves.set(key, (moves.get(key) ?? 0) + by);
    }
  }
  await addNodeCounts(
    transaction,
    [...moves].map(([key, nodes]) => {
      const [hollow, imageId = ""] = key.split("/");
      return { hollow: hollow === "true", imageId, nodes };
    }),
  );
}

/** Adds to the counts; the empty image id counts nodes that run nothing known. */
export async function addNodeCounts(
  transaction: Transaction,
  moves: readonly { hollow: boolean; imageId: string; nodes: number }[],
): Promise<void> {
  const rows = moves
    .filter((move) => move.nodes !== 0)
    .sort((a, b) => (`${a.hollow}/${a.imageId}` < `${b.hollow}/${b.imageId}` ? -1 : 1));
  if (rows.length === 0) return;
  await transaction`
    insert into node_counts (hollow, image_id, nodes)
    select * from unnest(${rows.map((row) => String(row.hollow))}::text[]::boolean[],
      ${rows.map((row) => row.imageId)}::text[], ${rows.map((row) => row.nodes)}::int[])
    on conflict (hollow, image_id) do update set nodes = node_counts.nodes + excluded.nodes`;
}

/**
 * A site whose node runs the class's install release keeps that release as its own from then on: a
 * later change of the class reaches it by a rollout only.
 */
async function adoptInstallRelease(
  transaction: Transaction,
  nodes: readonly NodeId[],
): Promise<void> {
  const pinned = await transaction<{ site: never }[]>`
    insert into site_releases (site, class, release)
    select distinct on (nodes.site, nodes.class) nodes.site, nodes.class, classes.release
    from node_state join nodes on nodes.id = node_state.node
    join classes on classes.name = nodes.class
    where node_state.node = any(${[...nodes]}::text[]) and classes.release is not null
      and classes.release ->> 'imageId' = node_state.running
    order by nodes.site, nodes.class
    on conflict do nothing returning site`;
  await markDirty(
    transaction,
    pinned.map((row) => row.site),
  );
}

export async function storeNodeFacts(
  transaction: Transaction,
  reports: readonly FreshReport[],
): Promise<void> {
  const rows = newest(reports, "node-facts");
  if (rows.length === 0) return;
  await ensureNodes(transaction, rows);
  const { ordinals, seqs } = orders(rows);
  await transaction`
    update node_state set facts = said.facts, facts_ordinal = said.ordinal, facts_seq = said.seq
    from unnest(${rows.map((row) => row.report.node)}::text[],
      ${jsonTexts(rows.map((row) => row.report.facts))}::text[]::jsonb[],
      ${ordinals}::int[], ${seqs}::bigint[]) as said (node, facts, ordinal, seq)
    where node_state.node = said.node
      and (node_state.facts_ordinal, node_state.facts_seq) < (said.ordinal, said.seq)`;
}

export async function storeNodeHealth(
  transaction: Transaction,
  reports: readonly FreshReport[],
): Promise<void> {
  const rows = newest(reports, "node-health");
  if (rows.length === 0) return;
  await ensureNodes(transaction, rows);
  const { ordinals, seqs } = orders(rows);
  await transaction`
    update node_state set health = said.health, health_at = said.at,
      health_ordinal = said.ordinal, health_seq = said.seq
    from unnest(${rows.map((row) => row.report.node)}::text[],
      ${jsonTexts(rows.map(({ report: { metrics, probes } }) => ({ metrics, probes })))}::text[]::jsonb[],
      ${rows.map((row) => row.receivedAt)}::bigint[], ${ordinals}::int[], ${seqs}::bigint[])
      as said (node, health, at, ordinal, seq)
    where node_state.node = said.node
      and (node_state.health_ordinal, node_state.health_seq) < (said.ordinal, said.seq)`;
}

export async function storeSiteStates(
  transaction: Transaction,
  reports: readonly FreshReport[],
): Promise<void> {
  const rows = newest(reports, "site-state");
  if (rows.length === 0) return;
  const { ordinals, seqs } = orders(rows);
  await transaction`
    insert into site_state (site, report, agent_version, accepts, report_ordinal, report_seq)
    select * from unnest(${rows.map((row) => row.site)}::text[],
      ${jsonTexts(rows.map((row) => row.report))}::text[]::jsonb[],
      ${rows.map((row) => row.report.agentVersion)}::text[],
      ${jsonTexts(rows.map((row) => row.report.accepts))}::text[]::jsonb[],
      ${ordinals}::int[], ${seqs}::bigint[])
    on conflict (site) do update set report = excluded.report,
      agent_version = excluded.agent_version, accepts = excluded.accepts,
      report_ordinal = excluded.report_ordinal, report_seq = excluded.report_seq
    where (site_state.report_ordinal, site_state.report_seq)
      < (excluded.report_ordinal, excluded.report_seq)`;
}
