// What a site should be, with a generation. Signed by the fleet role; expiry blocks only new
// assignments and never fails a boot or a repair. Absence is never "nothing desired".
import { z } from "zod";
import {
  EpochMs,
  ImageId,
  MacAddress,
  NodeClass,
  NodeId,
  RolloutId,
  Sha256,
  SiteId,
} from "../ids.ts";
import { ReleaseRef } from "../release/release.ts";
import { SitePolicy } from "../site/policy.ts";
import { DsseEnvelope } from "../trust/dsse.ts";

/** How long a desired document is good for, and the age at which it is reissued. */
export const desiredValidMs = 30 * 86_400_000;
export const desiredReissueMs = 15 * 86_400_000;

/** A release that needs a grant before any node changes to it. */
export const Assignment = z.object({
  release: ReleaseRef,
  rolloutId: RolloutId,
  rolloutEpoch: z.number().int().min(1),
});
export type Assignment = z.infer<typeof Assignment>;

/** Desired state of all nodes of one class at the site. */
export const ClassDesired = z.object({
  /** The site's committed release: installs, repairs and fall-backs go here without a grant. */
  committed: ReleaseRef.nullable(),
  assigned: Assignment.nullable(),
  /** Lowest release counter a node of the class may run; 0 = none. */
  minimum: z.number().int().min(0),
  withdrawn: z.array(z.object({ imageId: ImageId, reason: z.string().max(500) })).max(200),
  /** Signed procedure that installs a node of the class (DSSE, type procedure). */
  procedure: DsseEnvelope.nullable(),
});
export type ClassDesired = z.infer<typeof ClassDesired>;

/** Permission to install one node once, given by a person or a rule. */
export const InstallIntent = z.object({
  /** Rises with each order to (re)install; a claim is good for one. */
  serial: z.number().int().min(1),
  issuedAt: EpochMs,
});
export type InstallIntent = z.infer<typeof InstallIntent>;

export const NodeDesired = z.object({
  id: NodeId,
  macs: z.array(MacAddress).min(1).max(16),
  /** Null until the node is classified: it boots in inventory mode only. */
  class: NodeClass.nullable(),
  install: InstallIntent.nullable(),
  /** Keep the node as it is: no release change. */
  hold: z.boolean(),
  /** Refusals up to this count were cleared by a person. */
  refusalsCleared: z.number().int().min(0),
});
export type NodeDesired = z.infer<typeof NodeDesired>;

/** Newest signed metadata the site should hold. */
export const MetadataPointers = z.object({
  rootVersion: z.number().int().min(1),
  /** By channel: version of its release metadata. */
  releases: z.record(z.string(), z.object({ version: z.number().int().min(1), sha256: Sha256 })),
});

/** Payload of a DSSE envelope of type `desired`. */
export const DesiredDocument = z.object({
  v: z.literal(1),
  site: SiteId,
  generation: z.number().int().min(1),
  issuedAt: EpochMs,
  expiresAt: EpochMs,
  status: z.enum(["active", "quarantined", "decommissioned"]),
  classes: z.record(NodeClass, ClassDesired),
  nodes: z.array(NodeDesired).max(2000),
  policy: SitePolicy,
  metadata: MetadataPointers,
});
export type DesiredDocument = z.infer<typeof DesiredDocument>;

/** Body of a `desired` message: the generation in clear only lets a reader skip old ones early. */
export const DesiredBody = z.object({
  generation: z.number().int().min(1),
  document: DsseEnvelope,
});
export type DesiredBody = z.infer<typeof DesiredBody>;
