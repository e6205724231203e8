// The two places on a node's disk for an image, and what is known of each.
import { z } from "zod";
import { ImageId } from "../ids.ts";

export const Slot = z.enum(["a", "b"]);
export type Slot = z.infer<typeof Slot>;

export const SlotCondition = z.enum(["good", "bad", "writing", "written", "trial", "empty"]);
export type SlotCondition = z.infer<typeof SlotCondition>;

export const SlotState = z.object({ condition: SlotCondition, imageId: ImageId.nullable() });
export type SlotState = z.infer<typeof SlotState>;

/** Both slots, which one is booted, and the image that the running system measured by its verity root. */
export const SlotTable = z.object({
  booted: Slot.nullable(),
  a: SlotState,
  b: SlotState,
  measuredImageId: ImageId.nullable(),
});
export type SlotTable = z.infer<typeof SlotTable>;

export function otherSlot(slot: Slot): Slot {
  return slot === "a" ? "b" : "a";
}
