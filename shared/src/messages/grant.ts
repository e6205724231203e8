// Permission for named nodes of one site to change release now. The nonce is made by the node and the
// grant is valid for a time on that node's monotonic clock from making it: wall clocks play no part.
import { z } from "zod";
import { EpochMs, GrantId, ImageId, NodeClass, NodeId, RolloutId, SiteId } from "../ids.ts";
import { DsseEnvelope } from "../trust/dsse.ts";

/** A grant is worthless this long after its nonce was made. */
export const grantValidMs = 120_000;

/** 16 to 32 random bytes, base64url. */
export const Nonce = z.string().regex(/^[A-Za-z0-9_-]{22,43}$/);

export const NodeNonce = z.object({ node: NodeId, nonce: Nonce });
export type NodeNonce = z.infer<typeof NodeNonce>;

/** Body of a `grant-request` message (site to centre, request/reply). */
export const GrantRequest = z.object({
  rolloutId: RolloutId,
  rolloutEpoch: z.number().int().min(1),
  class: NodeClass,
  imageId: ImageId,
  nodes: z.array(NodeNonce).min(1).max(100),
});
export type GrantRequest = z.infer<typeof GrantRequest>;

/** Payload of a DSSE envelope of type `grant`. */
export const GrantDocument = z.object({
  v: z.literal(1),
  id: GrantId,
  site: SiteId,
  rolloutId: RolloutId,
  rolloutEpoch: z.number().int().min(1),
  imageId: ImageId,
  nodes: z.array(NodeNonce).min(1).max(100),
  validMs: z.number().int().min(1).max(600_000),
  issuedAt: EpochMs,
});
export type GrantDocument = z.infer<typeof GrantDocument>;

/** Body of a `grant-reply` message. */
export const GrantReply = z.discriminatedUnion("outcome", [
  z.object({
    outcome: z.literal("granted"),
    document: DsseEnvelope,
    because: z.array(z.string().max(500)),
  }),
  z.object({
    outcome: z.literal("denied"),
    retryAfterMs: z.number().int().min(0),
    because: z.array(z.string().max(500)),
  }),
]);
export type GrantReply = z.infer<typeof GrantReply>;
