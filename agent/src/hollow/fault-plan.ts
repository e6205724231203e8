// Faults given to hollow sites: which nodes an image harms, and how. Chosen by seed and node id alone, so
// that the same plan always harms the same nodes; never read from names.
import { ImageId, type NodeId } from "@drover/shared/ids";
import { seededRandom, seedOf } from "@drover/shared/random";
import { z } from "zod";

export const FaultKind = z.enum(["panics-at-boot", "never-healthy", "hangs", "silent-after-grant"]);
export type FaultKind = z.infer<typeof FaultKind>;

export const FaultPlan = z.strictObject({
  seed: z.number().int(),
  imageId: ImageId,
  kind: FaultKind,
  /** Share of nodes that are harmed, 0 to 1. */
  share: z.number().min(0).max(1),
});
export type FaultPlan = z.infer<typeof FaultPlan>;

/** What running `imageId` does to this node, or undefined. The first matching plan decides. */
export function faultOf(
  plans: readonly FaultPlan[],
  node: NodeId,
  imageId: ImageId | null,
): FaultKind | undefined {
  return plans.find(
    (plan) =>
      plan.imageId === imageId && seededRandom((plan.seed ^ seedOf(node)) >>> 0).chance(plan.share),
  )?.kind;
}
