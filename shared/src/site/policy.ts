// What a site's agent and its nodes obey: counts, windows and times. Desired state carries one per site.
import { z } from "zod";

/** Local time of day as `HH:MM`. */
const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);

/** When nodes may be disturbed, in the site's own time zone. An empty list means always. */
export const Window = z.object({
  days: z.array(z.enum(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])).min(1),
  from: timeOfDay,
  to: timeOfDay,
});
export type Window = z.infer<typeof Window>;

export const SitePolicy = z.object({
  /** Nodes of the site that may be away from service for a change at the same time. */
  maxUnavailable: z.number().int().min(1).max(1000).default(1),
  windows: z.array(Window).max(20).default([]),
  /** How long a new system must stay healthy before it commits. */
  provingMs: z.number().int().min(0).max(86_400_000).default(600_000),
  /** A trial that has not committed by then is given up by the node itself. */
  trialDeadlineMs: z.number().int().min(10_000).max(86_400_000).default(1_800_000),
  /** Trial boots the loader may spend before it falls back. */
  trialBootsMax: z.number().int().min(1).max(3).default(1),
  beatMs: z.number().int().min(1_000).max(3_600_000).default(30_000),
  /** Finish a running release change without a grant when the WAN is down: the audited exception. */
  finishSiteOffline: z.boolean().default(false),
  /** Bytes per second the site may take from the WAN; 0 = no limit. */
  wanBytesPerSecondMax: z.number().int().min(0).default(0),
  /** Releases kept in the site cache beside the assigned one, so that a roll back needs no WAN. */
  keepReleases: z.number().int().min(1).max(10).default(2),
});
export type SitePolicy = z.infer<typeof SitePolicy>;
export const defaultSitePolicy: SitePolicy = SitePolicy.parse({});
