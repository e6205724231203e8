// DSSE envelopes (secure-systems-lab DSSE v1.0.0). The payload type is part of the signed bytes, so
// a signed document of one kind can never be passed off as another.
import { z } from "zod";
import { canonicalJson } from "../canonical-json.ts";
import { FleetError } from "../errors.ts";
import type { PublicKey, Signer } from "./keys.ts";
import { verifySignature } from "./keys.ts";

/** Payload types of everything signed that is not release metadata. */
export const payloadTypes = {
  desired: "application/vnd.drover.desired.v1+json",
  grant: "application/vnd.drover.grant.v1+json",
  siteConfig: "application/vnd.drover.site-config.v1+json",
  procedure: "application/vnd.drover.procedure.v1+json",
  trustFile: "application/vnd.drover.trust-file.v1+json",
  permit: "application/vnd.drover.permit.v1+json",
} as const;
export type PayloadType = (typeof payloadTypes)[keyof typeof payloadTypes];

/** An envelope is at most this large, so that no reader has to hold more. */
export const envelopeBytesMax = 512 * 1024;

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);

/** DSSE envelope as it travels (JSON). */
export const DsseEnvelope = z.object({
  payloadType: z.string().max(120),
  payload: base64.max(envelopeBytesMax),
  signatures: z
    .array(z.object({ keyid: z.string().max(64), sig: base64.max(120) }))
    .min(1)
    .max(16),
});
export type DsseEnvelope = z.infer<typeof DsseEnvelope>;

/** A role that may sign: its keys by key id and how many of them must. */
export interface SigningRole {
  readonly name: string;
  readonly keys: Readonly<Record<string, PublicKey>>;
  readonly threshold: number;
}

export class EnvelopeRefusedError extends FleetError {
  readonly code = "envelope-refused";
}

/** Pre-authentication encoding (DSSE protocol §"Signature Definition"). */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = new TextEncoder().encode(payloadType);
  const head = `DSSEv1 ${type.length} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head, "utf8"), payload]);
}

/** Signs canonical JSON of `document` with every signer. */
export function sealDocument(
  payloadType: PayloadType,
  document: unknown,
  signers: readonly Signer[],
): DsseEnvelope {
  const payload = Buffer.from(canonicalJson(document), "utf8");
  const bytes = preAuthEncoding(payloadType, payload);
  return {
    payloadType,
    payload: payload.toString("base64"),
    signatures: signers.map((signer) => ({
      keyid: signer.keyid,
      sig: Buffer.from(signer.sign(bytes)).toString("base64"),
    })),
  };
}

/**
 * Opens an envelope: right type, enough distinct valid signatures of `roles` (any one role suffices),
 * then the payload's schema. Throws {@link EnvelopeRefusedError} naming what was wrong.
 */
export function openDocument<Schema extends z.ZodType>(
  input: unknown,
  expect: { payloadType: PayloadType; roles: readonly SigningRole[]; schema: Schema },
): z.infer<Schema> {
  const parsed = DsseEnvelope.safeParse(input);
  if (!parsed.success) throw new EnvelopeRefusedError("not a DSSE envelope");
  const envelope = parsed.data;
  if (envelope.payloadType !== expect.payloadType) {
    throw new EnvelopeRefusedError(
      `expected a document of type ${expect.payloadType}, got ${envelope.payloadType}`,
    );
  }
  const payload = Buffer.from(envelope.payload, "base64");
  const bytes = preAuthEncoding(envelope.payloadType, payload);
  const accepted = expect.roles.some(
    (role) => countSigners(envelope, bytes, role) >= role.threshold,
  );
  if (!accepted) {
    const names = expect.roles.map((role) => role.name).join(" or ");
    throw new EnvelopeRefusedError(`not signed by enough keys of ${names}`);
  }
  return parsePayload(payload, expect.schema);
}

function countSigners(envelope: DsseEnvelope, bytes: Uint8Array, role: SigningRole): number {
  const valid = new Set<string>();
  for (const { keyid, sig } of envelope.signatures) {
    const key = Object.hasOwn(role.keys, keyid) ? role.keys[keyid] : undefined;
    if (key && verifySignature(key, bytes, Buffer.from(sig, "base64")))
      valid.add(key.keyval.public);
  }
  return valid.size;
}

function parsePayload<Schema extends z.ZodType>(payload: Buffer, schema: Schema): z.infer<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(payload.toString("utf8"));
  } catch (cause) {
    throw new EnvelopeRefusedError("the signed payload is not JSON", { cause });
  }
  const result = schema.safeParse(json);
  if (!result.success) {
    throw new EnvelopeRefusedError(
      `the signed payload does not fit its schema: ${z.prettifyError(result.error)}`,
    );
  }
  return result.data as z.infer<Schema>;
}
