// Where a node is on its way from one release to the next, as it reports it. The machine that moves
// it is the agent's; this is the wire form.
import { z } from "zod";
import { EpochMs, GrantId, ImageId, RolloutId } from "../ids.ts";

export const UpdatePhase = z.enum([
  "steady",
  "prefetching",
  "writing",
  "verified",
  "granted",
  "trial",
  "proving",
  "fallen-back",
  "inconclusive",
]);
export type UpdatePhase = z.infer<typeof UpdatePhase>;

export const UpdateReport = z.object({
  phase: UpdatePhase,
  /** What the node is moving to; null when steady. */
  imageId: ImageId.nullable(),
  rolloutId: RolloutId.nullable(),
  grantId: GrantId.nullable(),
  /** Counts trials of this image on this node. */
  attempt: z.number().int().min(0).max(1000),
  since: EpochMs,
  doneBytes: z.number().int().min(0).default(0),
  totalBytes: z.number().int().min(0).default(0),
  because: z.array(z.string().max(500)).max(20),
});
export type UpdateReport = z.infer<typeof UpdateReport>;

/** An image this node fell back from, refused until a person clears it. */
export const Refusal = z.object({
  imageId: ImageId,
  at: EpochMs,
  because: z.array(z.string().max(500)).max(20),
});
export type Refusal = z.infer<typeof Refusal>;
