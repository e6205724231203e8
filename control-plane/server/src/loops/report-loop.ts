// Drains reports: store the batch, then acknowledge to the sites, then tell the bus. In that order, so
// that what a site was told is stored can never be lost.
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import type { AckPublisher, ReportMessage, ReportSource } from "./bus-ports.ts";
import { forEach } from "./each.ts";
import { UnstorableReportError } from "./errors.ts";
import { noteAdoptions } from "./note-adoptions.ts";
import type { FleetStore, IncomingReport, ReportStore, StoredReports } from "./ports.ts";
import { readReport } from "./read-report.ts";

export interface ReportLoopPorts {
  readonly store: ReportStore & FleetStore;
  readonly source: ReportSource;
  readonly acks: AckPublisher;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after a commit: rollouts may have something to see. */
  readonly wakeRollouts: () => void;
}

const batchMax = 500;
const lingerMs = 200;

export async function ingestReports(
  ports: ReportLoopPorts,
  signal: AbortSignal,
): Promise<{ again: boolean }> {
  const messages = await ports.source.nextReports({ max: batchMax, lingerMs, signal });
  if (messages.length === 0) return { again: false };
  await ingest(ports, messages);
  return { again: true };
}

async function ingest(ports: ReportLoopPorts, messages: readonly ReportMessage[]): Promise<void> {
  const { log } = ports;
  const reports = messages.flatMap((message) => {
    const report = readReport(message);
    if (report === undefined) log.warn({ subject: message.subject }, "report without site dropped");
    return report ?? [];
  });
  const stored = await storeApart(ports.store, reports);
  for (const { rejected } of stored) {
    if (rejected > 0) log.warn({ rejected }, "reports rejected");
  }
  const acks = newestAcks(stored);
  await forEach(acks, ({ site, ack }) => ports.acks.publishAck(site, ack), {
    log,
    fields: ({ site }) => ({ site }),
  });
  for (const message of messages) message.done();
  await noteAdoptions(
    ports,
    stored.flatMap((result) => result.adopted),
  );
  ports.wakeRollouts();
}

/**
 * Stores the batch in one transaction. Should the store find one report unstorable, halves are tried
 * until it stands alone, and then it is kept as rejected: it must never hold up the others.
 */
async function storeApart(
  store: ReportStore,
  reports: readonly IncomingReport[],
): Promise<readonly StoredReports[]> {
  if (reports.length === 0) return [];
  try {
    return [await store.storeReports(reports)];
  } catch (error) {
    if (!(error instanceof UnstorableReportError)) throw error;
    const [only] = reports;
    if (reports.length === 1 && only !== undefined) {
      return [await store.storeReports([rejected(only, error.message)])];
    }
    const middle = Math.ceil(reports.length / 2);
    return [
      ...(await storeApart(store, reports.slice(0, middle))),
      ...(await storeApart(store, reports.slice(middle))),
    ];
  }
}

function rejected(report: IncomingReport, reason: string): IncomingReport {
  if (report.outcome === "rejected") return { ...report, sample: "" };
  const { site, outboxId, seq, receivedAt } = report;
  const sample = report.report.kind;
  return { outcome: "rejected", site, position: { outboxId, seq }, receivedAt, reason, sample };
}

/** Halves of one batch may both acknowledge an outbox: the later one knows more. */
function newestAcks(stored: readonly StoredReports[]): StoredReports["acks"] {
  const newest = new Map<string, StoredReports["acks"][number]>();
  for (const { acks } of stored) {
    for (const entry of acks) newest.set(`${entry.site} ${entry.ack.outboxId}`, entry);
  }
  return [...newest.values()];
}
