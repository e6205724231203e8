// Whatever a site sends becomes a record: accepted, or rejected with its place in the sequence.
import { writeMessage } from "@drover/shared/messages/envelope";
import { subjects } from "@drover/shared/subjects";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeState, outboxId, siteId, start } from "../store/contract/samples.ts";
import { readReport } from "./read-report.ts";

const subject = subjects.report(siteId(1), "node-state");
const body = { outboxId: outboxId(1), generation: 3, report: nodeState(1, 1) };
const envelope = { kind: "report", site: siteId(1), seq: 7, at: start, body };
const read = (bytes: Uint8Array, from = subject) =>
  readReport({ subject: from, bytes, receivedAt: start });

describe("reading a report", () => {
  it("accepts what the protocol says, with where it stands in its outbox", () => {
    expect(read(writeMessage(envelope))).toMatchObject({
      outcome: "accepted",
      site: siteId(1),
      outboxId: outboxId(1),
      seq: 7,
      oldestSeq: 1,
      generation: 3,
    });
    const newer = { ...envelope, body: { ...body, oldestSeq: 5, unknown: true } };
    expect(read(writeMessage(newer))).toMatchObject({ outcome: "accepted", oldestSeq: 5 });
  });

  it("rejects a body it cannot read, but keeps its place so that it is not sent for ever", () => {
    const bad = { ...envelope, body: { outboxId: outboxId(1), report: { kind: "nonsense" } } };
    expect(read(writeMessage(bad))).toMatchObject({
      outcome: "rejected",
      position: { outboxId: outboxId(1), seq: 7 },
    });
    const report = { ...nodeState(1, 1), bootId: "a\u0000b" };
    expect(read(writeMessage({ ...envelope, body: { ...body, report } }))).toMatchObject({
      outcome: "rejected",
      reason: "a text holds a NUL character",
      position: { seq: 7 },
    });
  });

  it("gives no place to a message written for another site", () => {
    const foreign = writeMessage({ ...envelope, site: siteId(2) });
    expect(read(foreign)).toMatchObject({ outcome: "rejected", site: siteId(1), position: null });
  });

  it("survives any bytes on any subject", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.string(), (bytes, from) => {
        expect(read(bytes)?.outcome).toBe("rejected");
        expect(read(bytes, from)?.outcome ?? "dropped").not.toBe("accepted");
      }),
    );
  });
});
