// Reads one raw report message. Whatever a site sends becomes a record: accepted, or rejected with a
// reason and, where it can be told, its place in the sequence, so that nothing poisonous is sent twice.
import { type EpochMs, SiteId } from "@drover/shared/ids";
import { Envelope, readMessage } from "@drover/shared/messages/envelope";
import { OutboxId, ReportBody } from "@drover/shared/messages/report";
import { siteOfSubject } from "@drover/shared/subjects";
import { z } from "zod";
import type { IncomingReport } from "./ports.ts";

/** Kind of the envelope around a report. */
export const reportMessageKind = "report";
const sampleBytes = 300;

const Position = Envelope.extend({ body: z.object({ outboxId: OutboxId }) });

/** Undefined when not even the subject names a site: such a message can only be dropped. */
export function readReport(message: {
  subject: string;
  bytes: Uint8Array;
  receivedAt: EpochMs;
}): IncomingReport | undefined {
  const subjectSite = SiteId.safeParse(siteOfSubject(message.subject));
  if (!subjectSite.success) return undefined;
  const site = subjectSite.data;
  const { bytes, receivedAt } = message;
  const reject = (reason: string): IncomingReport => ({
    outcome: "rejected",
    site,
    position: positionIn(bytes, site),
    receivedAt,
    reason: reason.slice(0, 500),
    sample: printable(bytes),
  });
  const reading = readMessage(bytes, { kind: reportMessageKind, body: ReportBody });
  if (!reading.ok) return reject(`${reading.reason}: ${reading.detail}`);
  const { envelope, body } = reading;
  if (envelope.site !== site) return reject(`sent as ${site}, written as ${envelope.site}`);
  if (envelope.seq === 0) return reject("a report needs a seq above 0");
  if (holdsNul(body.report)) return reject("a text holds a NUL character");
  return {
    outcome: "accepted",
    site,
    outboxId: body.outboxId,
    seq: envelope.seq,
    oldestSeq: Math.min(body.oldestSeq ?? 1, envelope.seq),
    at: envelope.at,
    receivedAt,
    generation: body.generation,
    report: body.report,
  };
}

/** The database cannot hold U+0000 in a text. */
function holdsNul(value: unknown): boolean {
  return JSON.stringify(value).includes("\\u0000");
}

function positionIn(bytes: Uint8Array, site: SiteId) {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // Not JSON: it has no place in any sequence.
    return null;
  }
  const position = Position.safeParse(json);
  if (!position.success || position.data.site !== site || position.data.seq === 0) return null;
  return { outboxId: position.data.body.outboxId, seq: position.data.seq };
}

function printable(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, sampleBytes));
  return text.replaceAll(/[^\x20-\x7e]/g, ".");
}
