// The envelope around every message between site and centre, on every transport, and the version
// rule: unknown members are ignored, an unknown `v` or kind is answered, never guessed at.
import { z } from "zod";
import { EpochMs, SiteId } from "../ids.ts";

/** Version of the protocol this code speaks. */
export const protocolVersion = 1;
/** Oldest version this code still reads: four minor versions back at most. */
export const protocolVersionMin = 1;
/** A bus message is at most this large; anything larger is an HTTPS PUT by digest. */
export const messageBytesMax = 512 * 1024;

export const Envelope = z.object({
  v: z.number().int().min(1).max(10_000),
  kind: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  site: SiteId,
  /** Rises by one per message of an outbox; 0 where nothing counts. */
  seq: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  /** Sender's wall clock when the message was made. */
  at: EpochMs,
  /** W3C Trace Context `traceparent`. */
  traceparent: z.string().max(60).optional(),
  body: z.unknown(),
});
export type Envelope = z.infer<typeof Envelope>;

/** Versions a peer reads: reported by agents so that the centre never sends what they cannot read. */
export const VersionRange = z.object({
  min: z.number().int().min(1),
  max: z.number().int().min(1),
});
export type VersionRange = z.infer<typeof VersionRange>;
export const ownVersions: VersionRange = { min: protocolVersionMin, max: protocolVersion };

/** The newest version both sides read, or undefined when there is none. */
export function commonVersion(own: VersionRange, peer: VersionRange): number | undefined {
  const version = Math.min(own.max, peer.max);
  return version >= Math.max(own.min, peer.min) ? version : undefined;
}

export type Reading<T> =
  | { readonly ok: true; readonly envelope: Envelope; readonly body: T }
  | {
      readonly ok: false;
      readonly reason: "too-large" | "malformed" | "too-new" | "too-old" | "wrong-kind";
      readonly detail: string;
    };

/** Reads one message strictly: size, JSON, envelope, version, kind, body. Never throws. */
export function readMessage<Schema extends z.ZodType>(
  bytes: Uint8Array,
  expect: { kind: string; body: Schema; bytesMax?: number },
): Reading<z.infer<Schema>> {
  const limit = expect.bytesMax ?? messageBytesMax;
  if (bytes.length > limit)
    return { ok: false, reason: "too-large", detail: `${bytes.length} bytes, at most ${limit}` };
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return { ok: false, reason: "malformed", detail: "not UTF-8 JSON" };
  }
  const envelope = Envelope.safeParse(json);
  if (!envelope.success)
    return { ok: false, reason: "malformed", detail: z.prettifyError(envelope.error) };
  const { v, kind } = envelope.data;
  if (v > protocolVersion)
    return {
      ok: false,
      reason: "too-new",
      detail: `v ${v}, this side reads up to ${protocolVersion}`,
    };
  if (v < protocolVersionMin)
    return {
      ok: false,
      reason: "too-old",
      detail: `v ${v}, this side reads from ${protocolVersionMin}`,
    };
  if (kind !== expect.kind)
    return { ok: false, reason: "wrong-kind", detail: `expected ${expect.kind}, got ${kind}` };
  const body = expect.body.safeParse(envelope.data.body);
  if (!body.success) return { ok: false, reason: "malformed", detail: z.prettifyError(body.error) };
  return { ok: true, envelope: envelope.data, body: body.data as z.infer<Schema> };
}

/** Encodes a message at our own version. */
export function writeMessage(message: Omit<Envelope, "v">): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: protocolVersion, ...message }));
}
