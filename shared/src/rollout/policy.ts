// What people write to roll a change set out: who gets it, in which waves, what must hold before the
// next wave. Parsed strictly: a typo is an error.
import { z } from "zod";
import { NodeClass, SiteId } from "../ids.ts";
import { ReleaseRef } from "../release/release.ts";
import { Region } from "../site/site.ts";

/** What a rollout brings. */
export const ChangeSet = z.strictObject({
  /** Release per class of node. */
  releases: z.record(NodeClass, ReleaseRef).default({}),
});
export type ChangeSet = z.infer<typeof ChangeSet>;

/** Sites of a rollout: all conditions must hold; an empty selection means every active site. */
export const Selection = z.strictObject({
  sites: z.array(SiteId).max(10_000).optional(),
  regions: z.array(Region).max(200).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  hollow: z.boolean().optional(),
});
export type Selection = z.infer<typeof Selection>;

/** Size of a wave: a number of sites, or a percentage of all sites of the rollout (cumulative with the waves before it). */
export const WaveSize = z.union([
  z.strictObject({ count: z.number().int().min(1).max(1_000_000) }),
  z.strictObject({ percent: z.number().min(0.01).max(100) }),
]);
export type WaveSize = z.infer<typeof WaveSize>;

/** Limits a wave must keep. More failures or silence than allowed halts; no data waits. */
export const Gate = z.strictObject({
  /** Sites of the wave that may have fallen back or failed. */
  failedMax: z.number().int().min(0).default(0),
  /** Sites of the wave that may be silent after a grant when the wave is judged. */
  silentMax: z.number().int().min(0).default(0),
  /** A granted site that has not committed by then counts as silent. */
  silenceMs: z.number().int().min(1_000).default(3_600_000),
});
export type Gate = z.infer<typeof Gate>;

export const PlaceLimits = z.strictObject({
  /** Sites of one region (at `regionDepth` path elements) in flight at once; 0 = no limit. */
  regionInFlightMax: z.number().int().min(0).default(0),
  regionDepth: z.number().int().min(1).max(8).default(2),
  /** Never two sites of a pair at once. */
  keepPairsApart: z.boolean().default(true),
});

export const RolloutPolicy = z.strictObject({
  waves: z.array(WaveSize).min(1).max(50),
  soakMs: z
    .number()
    .int()
    .min(0)
    .max(30 * 86_400_000)
    .default(3_600_000),
  gate: Gate.prefault({}),
  /** Sites with a node between grant and commit, over this rollout. */
  inFlightMax: z.number().int().min(1).max(100_000).default(1000),
  place: PlaceLimits.prefault({}),
  /** What a halt leaves behind: `hold` keeps committed sites on the new release until a person decides. */
  onHalt: z.enum(["hold", "roll-back"]).default("hold"),
});
export type RolloutPolicy = z.infer<typeof RolloutPolicy>;

/** A request for a rollout, as a person writes it. */
export const RolloutRequest = z.strictObject({
  name: z.string().min(1).max(120),
  changeSet: ChangeSet,
  selection: Selection.default({}),
  policy: RolloutPolicy,
  reason: z.string().max(500).default(""),
});
export type RolloutRequest = z.infer<typeof RolloutRequest>;
