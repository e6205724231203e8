// What verified desired state asks of one node, reduced to what its update machine needs. Whoever
// makes orders has already checked every signature; the machine never sees an unsigned word.
import { ImageId, NodeClass, NodeId, RolloutId } from "@drover/shared/ids";
import { ReleaseRef } from "@drover/shared/release/release";
import { z } from "zod";

export const NodeOrders = z.object({
  node: NodeId,
  class: NodeClass.nullable(),
  generation: z.number().int().min(1),
  hold: z.boolean(),
  /** The site's committed release: repairs go there without a grant. */
  committed: ReleaseRef.nullable(),
  /** Null also when the assignment may not be followed; `because` then says why. */
  assigned: z
    .object({
      release: ReleaseRef,
      rolloutId: RolloutId,
      rolloutEpoch: z.number().int().min(1),
    })
    .nullable(),
  minimum: z.number().int().min(0),
  withdrawn: z.array(z.object({ imageId: ImageId, reason: z.string().max(500) })).max(200),
  refusalsCleared: z.number().int().min(0),
  because: z.array(z.string().max(500)).max(20),
});
export type NodeOrders = z.infer<typeof NodeOrders>;
