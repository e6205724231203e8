// The one thing injected at install or update: parameters resolved for this node, signed by the fleet
// role. The image itself stays the same bytes everywhere.
import { z } from "zod";
import { EpochMs, NodeId, Sha256, SiteId } from "../ids.ts";

/** Payload of a DSSE envelope of type `siteConfig`. */
export const SiteConfig = z.object({
  v: z.literal(1),
  site: SiteId,
  node: NodeId,
  /** Rises with every change for this node; a lower one is refused. */
  seq: z.number().int().min(1),
  issuedAt: EpochMs,
  hostname: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
  /** Values by parameter name, checked against the image's schema. */
  parameters: z.record(z.string(), z.json()),
  parametersHash: Sha256,
});
export type SiteConfig = z.infer<typeof SiteConfig>;
