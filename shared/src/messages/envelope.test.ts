// Version skew and damaged messages: answered with a reason, never guessed at.
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { SiteId } from "../ids.ts";
import { commonVersion, protocolVersion, readMessage, writeMessage } from "./envelope.ts";

const site = SiteId.parse("s-abcd");
const body = z.object({ generation: z.number() });
const expectBeat = { kind: "beat", body };
const raw = (message: Record<string, unknown>) =>
  new TextEncoder().encode(
    JSON.stringify({
      v: 1,
      kind: "beat",
      site,
      seq: 0,
      at: 1,
      body: { generation: 3 },
      ...message,
    }),
  );

describe("message envelopes", () => {
  it("reads what it writes", () => {
    const reading = readMessage(
      writeMessage({ kind: "beat", site, seq: 7, at: 5, body: { generation: 3 } }),
      expectBeat,
    );
    expect(reading).toMatchObject({
      ok: true,
      envelope: { v: protocolVersion, seq: 7 },
      body: { generation: 3 },
    });
  });

  it("ignores members it does not know, in envelope and body", () => {
    const reading = readMessage(
      raw({ colour: "red", body: { generation: 3, mood: "new" } }),
      expectBeat,
    );
    expect(reading).toMatchObject({ ok: true, body: { generation: 3 } });
    expect(reading.ok && "mood" in reading.body).toBe(false);
  });

  it("answers a version it does not speak instead of guessing", () => {
    expect(readMessage(raw({ v: protocolVersion + 1 }), expectBeat)).toMatchObject({
      ok: false,
      reason: "too-new",
    });
    expect(readMessage(raw({ v: 0 }), expectBeat)).toMatchObject({
      ok: false,
      reason: "malformed",
    });
  });

  it("refuses another kind, broken JSON, bad UTF-8 and oversize without throwing", () => {
    expect(readMessage(raw({ kind: "ack" }), expectBeat)).toMatchObject({ reason: "wrong-kind" });
    expect(readMessage(new TextEncoder().encode("{"), expectBeat)).toMatchObject({
      reason: "malformed",
    });
    expect(readMessage(Uint8Array.of(0xff, 0xfe), expectBeat)).toMatchObject({
      reason: "malformed",
    });
    expect(readMessage(raw({}), { ...expectBeat, bytesMax: 10 })).toMatchObject({
      reason: "too-large",
    });
  });

  it("finds the newest version both sides read", () => {
    expect(commonVersion({ min: 1, max: 4 }, { min: 2, max: 6 })).toBe(4);
    expect(commonVersion({ min: 5, max: 6 }, { min: 1, max: 4 })).toBeUndefined();
  });
});
