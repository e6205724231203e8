// The node API of a site, spoken over a hostile LAN: every size is bounded, every call after the claim
// is signed by the node's key over a counter that only rises, and no answer holds a secret.
import { EpochMs, ImageId, MacAddress, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import { DesiredBody } from "@drover/shared/messages/desired";
import { Nonce } from "@drover/shared/messages/grant";
import { Report } from "@drover/shared/messages/report";
import { NodeFacts } from "@drover/shared/node/facts";
import { DsseEnvelope } from "@drover/shared/trust/dsse";
import { z } from "zod";

export const nodeApiPaths = {
  claim: "/node/v1/claim",
  inventory: "/node/v1/inventory",
  hello: "/node/v1/hello",
  bundle: "/node/v1/bundle",
  reports: "/node/v1/reports",
  grant: "/node/v1/grant",
} as const;

/** Verified image files of the site cache, served by range; every reader verifies them itself. */
export const imageFileNames = ["manifest", "index", "root", "kernel", "initrd"] as const;
export type ImageFileName = (typeof imageFileNames)[number];
export const imageFilePath = (imageId: ImageId, name: ImageFileName): string =>
  `/node/v1/image/${imageId}/${name}`;

/** A request body is at most this large. */
export const requestBytesMax = 256 * 1024;
/** A bundle carries root and release metadata, so it may be larger. */
export const bundleBytesMax = 16 * 1024 * 1024;

/** Raw Ed25519 public key, hex. */
export const NodeKey = z.string().regex(/^[0-9a-f]{64}$/);
export type NodeKey = z.infer<typeof NodeKey>;

/** Two groups of four for people to compare on both screens; derived from the key. */
export const ShortCode = z.string().regex(/^[0-9a-f]{4}-[0-9a-f]{4}$/);

export const ClaimRequest = z.object({
  macs: z.array(MacAddress).min(1).max(16),
  serial: z.string().max(200),
  publicKey: NodeKey,
  /** Serial of the install intent that the installer was started for. */
  installSerial: z.number().int().min(1),
  shortCode: ShortCode,
});
export type ClaimRequest = z.infer<typeof ClaimRequest>;

export const ClaimAnswer = z.object({ site: SiteId, node: NodeId });
export type ClaimAnswer = z.infer<typeof ClaimAnswer>;

export const InventoryRequest = z.object({
  macs: z.array(MacAddress).min(1).max(16),
  facts: NodeFacts,
});
export type InventoryRequest = z.infer<typeof InventoryRequest>;

/** What the installer should do next. `installSerial` names the open install intent, if there is one. */
export const InventoryAnswer = z.object({
  node: NodeId.nullable(),
  installSerial: z.number().int().min(1).nullable(),
  because: z.array(z.string().max(500)).max(20),
});
export type InventoryAnswer = z.infer<typeof InventoryAnswer>;

export const HelloAnswer = z.object({
  site: SiteId,
  node: NodeId,
  generation: z.number().int().min(0),
  /** Newest signed time the site has seen; a hint for nodes without a clock battery. */
  at: EpochMs,
});
export type HelloAnswer = z.infer<typeof HelloAnswer>;

/** Everything a node needs to decide for itself; all of it signed by somebody else than the site. */
export const NodeBundle = z.object({
  /** Root metadata from the first the site trusted, one per version. */
  roots: z.array(z.string()).min(1).max(1000),
  /** Release metadata by channel. */
  releases: z.record(z.string(), z.string()),
  trustFile: DsseEnvelope,
  desired: DesiredBody.nullable(),
  /** Images that the site can deliver whole. */
  images: z.array(ImageId).max(500),
});
export type NodeBundle = z.infer<typeof NodeBundle>;

export const ReportsRequest = z.object({ reports: z.array(Report).min(1).max(200) });
export const ReportsAnswer = z.object({ taken: z.number().int().min(0) });

export const GrantQuestionRequest = z.object({
  nonce: Nonce,
  imageId: ImageId,
  rolloutId: RolloutId,
  rolloutEpoch: z.number().int().min(1),
});

export const GrantAnswer = z.discriminatedUnion("outcome", [
  z.object({ outcome: z.literal("granted"), document: DsseEnvelope }),
  z.object({
    outcome: z.literal("wait"),
    retryAfterMs: z.number().int().min(0).max(86_400_000),
    because: z.array(z.string().max(500)).max(20),
  }),
]);
export type GrantAnswer = z.infer<typeof GrantAnswer>;

/** An answer that is a refusal; `counter` tells a caller whose counter is too low where to go on. */
export const Refused = z.object({
  code: z.string().max(60),
  detail: z.string().max(500),
  counter: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});
export type Refused = z.infer<typeof Refused>;

export const signatureHeaders = {
  node: "x-drover-node",
  counter: "x-drover-counter",
  signature: "x-drover-signature",
} as const;

/** The text a node signs; the body travels as its digest so that no part can be swapped. */
export function callText(call: {
  readonly site: SiteId;
  readonly node: NodeId;
  readonly method: string;
  readonly path: string;
  readonly bodySha256: string;
  readonly counter: number;
}): string {
  return [
    "drover-node-call:1",
    call.site,
    call.node,
    call.method,
    call.path,
    call.bodySha256,
    call.counter,
  ].join("\n");
}
