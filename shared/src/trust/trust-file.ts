// The site's trust file: which channels it accepts and the ceilings nobody may exceed from outside.
// Written at enrolment, replaced only by a document of the root or a release role; desired state may
// only tighten it.
import { z } from "zod";
import { ChannelName, EpochMs, SiteId } from "../ids.ts";

/** Upper limits a site enforces itself, whatever it is told. */
export const Ceilings = z.object({
  /** Reboots for updates per node and day. */
  rebootsPerDayMax: z.number().int().min(1).max(100),
  /** Nodes of the site that may change release at the same time. */
  nodesAtOnceMax: z.number().int().min(1).max(1000),
});
export type Ceilings = z.infer<typeof Ceilings>;

/** Payload of a DSSE envelope of type `trustFile`. */
export const TrustFile = z.object({
  v: z.literal(1),
  /** The one site this is for, or every site of the fleet. */
  site: z.union([SiteId, z.literal("every")]),
  /** Rises with every change; a lower one is refused. */
  serial: z.number().int().min(1),
  issuedAt: EpochMs,
  acceptedChannels: z.array(ChannelName).min(1).max(20),
  ceilings: Ceilings,
});
export type TrustFile = z.infer<typeof TrustFile>;
