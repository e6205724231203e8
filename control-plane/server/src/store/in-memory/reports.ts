// Reports and beats in the in-memory store: stored once by (site, outboxId, seq), applied only where
// newer, acknowledged only up to the first gap.
import type { NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type {
  AckBody,
  NodeEventReport as NodeEventReportSchema,
  NodeStateReport,
} from "@drover/shared/messages/report";
import type { z } from "zod";
import type { GrantOutcome } from "../../core/rollout/facts.ts";
import type {
  AcceptedReport,
  BeatStore,
  IncomingReport,
  ReportStore,
  StoredReports,
} from "../../loops/ports.ts";
import {
  grantKey,
  isSiteAhead,
  markDirty,
  type OutboxLog,
  outboxKey,
  type SiteRecord,
  type Tables,
} from "./tables.ts";

const grantOutcomes: Partial<Record<NodeEventReport["event"], GrantOutcome>> = {
  committed: "committed",
  "fell-back": "fallen-back",
  inconclusive: "inconclusive",
};

type NodeEventReport = z.infer<typeof NodeEventReportSchema>;
type Adopted = StoredReports["adopted"][number];

export function reportStore(tables: Tables): ReportStore {
  return { storeReports: async (batch) => storeReports(tables, batch) };
}

function storeReports(tables: Tables, batch: readonly IncomingReport[]): StoredReports {
  const acks = new Map<string, { site: SiteId; ack: AckBody }>();
  const adopted = new Map<SiteId, Adopted>();
  const counts = { stored: 0, duplicates: 0, rejected: 0 };
  for (const incoming of batch) {
    const report = checked(tables, incoming);
    if (report.outcome === "rejected") counts.rejected += 1;
    const site = tables.sites.get(report.site);
    const position = report.outcome === "rejected" ? report.position : report;
    if (position === null || site === undefined) {
      tables.unplaced.push(report);
      continue;
    }
    const { outboxId, seq } = position;
    const log = outboxLog(tables, report.site, outboxId);
    if (place(tables, site, { report, seq, log })) counts.stored += 1;
    else counts.duplicates += 1;
    const ahead = report.outcome === "accepted" && adopt(tables, site, report.generation);
    if (ahead) adopted.set(report.site, ahead);
    const ack = { outboxId, upToSeq: log.upToSeq };
    acks.set(outboxKey(report.site, outboxId), { site: report.site, ack });
  }
  return { acks: [...acks.values()], adopted: [...adopted.values()], ...counts };
}

/** Puts a report in its place and applies it; false when the place was taken. */
function place(
  tables: Tables,
  site: SiteRecord,
  { report, seq, log }: { report: IncomingReport; seq: number; log: OutboxLog },
): boolean {
  const isNew = !log.reports.has(seq) && seq > log.upToSeq;
  if (isNew) {
    log.reports.set(seq, report);
    if (report.outcome === "accepted") apply(tables, site, report, log.order);
  }
  if (report.outcome === "accepted") skipLost(tables, log, report);
  while (log.reports.has(log.upToSeq + 1)) log.upToSeq += 1;
  return isNew;
}

/** A report about a node of another site is refused, but keeps its place in the sequence. */
function checked(tables: Tables, report: IncomingReport): IncomingReport {
  if (report.outcome === "rejected") return report;
  const node = "node" in report.report ? report.report.node : null;
  const reason = !tables.sites.has(report.site)
    ? "the site is not known"
    : node !== null && tables.nodes.get(node)?.row.site !== report.site
      ? `node ${node} is not a node of this site`
      : undefined;
  if (reason === undefined) return report;
  const { site, outboxId, seq, receivedAt } = report;
  const sample = report.report.kind;
  return { outcome: "rejected", site, position: { outboxId, seq }, receivedAt, reason, sample };
}

function outboxLog(tables: Tables, site: SiteId, outboxId: string) {
  const key = outboxKey(site, outboxId);
  const known = tables.reports.get(key);
  if (known !== undefined) return known;
  const order = [...tables.reports.keys()].filter((k) => k.startsWith(`${site} `)).length + 1;
  const log = { order, reports: new Map<number, IncomingReport>(), upToSeq: 0 };
  tables.reports.set(key, log);
  return log;
}

/** What the site no longer keeps will never come: acknowledged once, lost with an older database. */
function skipLost(tables: Tables, log: { upToSeq: number }, report: AcceptedReport): void {
  if (report.oldestSeq <= log.upToSeq + 1) return;
  tables.events.push({
    at: report.receivedAt,
    site: report.site,
    rolloutId: null,
    what: "reports lost",
    because: [`the site no longer keeps ${log.upToSeq + 1} to ${report.oldestSeq - 1}`],
  });
  log.upToSeq = report.oldestSeq - 1;
}

function adopt(tables: Tables, site: SiteRecord, generation: number): Adopted | undefined {
  if (generation <= site.reportedGeneration) return undefined;
  site.reportedGeneration = generation;
  if (!isSiteAhead(site)) return undefined;
  markDirty(tables, site);
  return { site: site.row.id, generation };
}

function apply(tables: Tables, site: SiteRecord, incoming: AcceptedReport, order: number): void {
  const { report } = incoming;
  if (report.kind === "node-state") applyState(tables, site, { report, incoming, order });
  if (report.kind === "node-facts") {
    const node = tables.nodes.get(report.node);
    if (node !== undefined) node.model = report.facts.model;
  }
  if (report.kind === "node-event") {
    const { rolloutId, event, because } = report;
    if (event === "armed") markArmed(tables, rolloutId, report.node);
    settle(tables, report);
    const { receivedAt: at, site: id } = incoming;
    tables.events.push({ at, site: id, rolloutId, what: event, because });
  }
}

function applyState(
  tables: Tables,
  site: SiteRecord,
  state: { report: NodeStateReport; incoming: AcceptedReport; order: number },
): void {
  const { report, incoming, order } = state;
  const node = tables.nodes.get(report.node);
  if (node === undefined || !isNewer([order, incoming.seq], node.stateOrder)) return;
  moveCount(tables, site, node.state?.slots.measuredImageId ?? null, -1);
  moveCount(tables, site, report.slots.measuredImageId, 1);
  node.state = report;
  node.stateOrder = [order, incoming.seq];
  node.reportedAt = incoming.receivedAt;
  node.reportGeneration = incoming.generation;
  const { rolloutId, phase } = report.update;
  if (phase === "trial" || phase === "proving") markArmed(tables, rolloutId, report.node);
}

/** A state may be overwritten before anybody looks; an event that ends a grant ends it here and now. */
function settle(tables: Tables, { node, event, rolloutId, grantId }: NodeEventReport): void {
  const outcome = grantOutcomes[event];
  const grant = rolloutId === null ? undefined : tables.grants.get(grantKey(rolloutId, node));
  if (outcome === undefined || grant === undefined || grant.id !== grantId) return;
  if (grant.outcome === null) grant.outcome = outcome;
}

function markArmed(tables: Tables, rolloutId: RolloutId | null, node: NodeId): void {
  const grant = rolloutId === null ? undefined : tables.grants.get(grantKey(rolloutId, node));
  if (grant !== undefined) grant.armed = true;
}

function isNewer(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] !== b[0] ? a[0] > b[0] : a[1] > b[1];
}

export function moveCount(
  tables: Tables,
  site: SiteRecord,
  imageId: string | null,
  by: 1 | -1,
): void {
  const key = `${site.row.hollow ? "hollow" : "real"} ${imageId ?? ""}`;
  const count = (tables.nodeCounts.get(key) ?? 0) + by;
  if (count === 0) tables.nodeCounts.delete(key);
  else tables.nodeCounts.set(key, count);
}

export function beatStore(tables: Tables): BeatStore {
  return {
    storeBeats: async (beats) =>
      beats.flatMap(({ site: id, heardAt, beat }) => {
        const site = tables.sites.get(id);
        if (site === undefined) return [];
        site.heardAt = Math.max(site.heardAt ?? 0, heardAt);
        const ahead = adopt(tables, site, beat.generation);
        return ahead === undefined ? [] : [ahead];
      }),
  };
}
