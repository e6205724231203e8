// Everything a node remembers about its releases, as one document that is written before every effect.
// Each phase carries exactly what it needs; nothing else decides after a power cut.
import { EpochMs, GrantId, ImageId, RolloutId, Sha256 } from "@drover/shared/ids";
import { Nonce } from "@drover/shared/messages/grant";
import { NodeEventName } from "@drover/shared/messages/report";
import { Slot, SlotState } from "@drover/shared/node/slot";
import { ReleaseRef } from "@drover/shared/release/release";
import { z } from "zod";
import { Moment } from "./moment.ts";
import { NodeOrders } from "./orders.ts";

const count = z.number().int().min(0);
const reasons = z.array(z.string().max(500)).max(20);

/** What the node is moving to. A `repair` brings back the release the node already had: no grant. */
export const Target = z.object({
  kind: z.enum(["change", "repair"]),
  release: ReleaseRef,
  rolloutId: RolloutId.nullable(),
  rolloutEpoch: count,
});
export type Target = z.infer<typeof Target>;

/** A target whose manifest is known: this verity root and no other counts as success. */
export const ReadyTarget = Target.extend({ verityRoot: Sha256, totalBytes: count });
export type ReadyTarget = z.infer<typeof ReadyTarget>;

const since = { since: EpochMs };
const gathering = { retryAt: Moment.nullable(), failures: count, ...since };
const moving = { target: ReadyTarget, slot: Slot, grantId: GrantId.nullable(), ...since };

export const Progress = z.discriminatedUnion("phase", [
  z.object({ phase: z.literal("steady"), ...since }),
  z.object({
    phase: z.literal("prefetching"),
    target: Target,
    doneBytes: count,
    totalBytes: count,
    ...gathering,
  }),
  z.object({ phase: z.literal("writing"), target: ReadyTarget, slot: Slot, ...gathering }),
  z.object({
    phase: z.literal("verified"),
    target: ReadyTarget,
    slot: Slot,
    /** The open question: a grant counts only for this nonce and for a time from making it. */
    ask: z.object({ nonce: Nonce, madeAt: Moment }).nullable(),
    askAt: Moment.nullable(),
    ...since,
  }),
  z.object({ phase: z.literal("granted"), ...moving, validUntil: Moment.nullable() }),
  z.object({ phase: z.literal("trial"), ...moving }),
  z.object({
    phase: z.literal("proving"),
    ...moving,
    startedAt: Moment,
    probes: z.object({ healthy: z.boolean(), at: Moment, because: reasons }).nullable(),
    siteAnsweredAt: Moment.nullable(),
    /** `marking`: proof complete, the default slot is being moved. `leaving`: going back. */
    act: z.enum(["watching", "marking", "leaving"]),
    leaveAs: z.enum(["fallen-back", "inconclusive"]),
    leaveBecause: reasons,
  }),
  z.object({ phase: z.literal("fallen-back"), target: Target, because: reasons, ...since }),
  z.object({
    phase: z.literal("inconclusive"),
    target: Target,
    because: reasons,
    retryAt: Moment,
    ...since,
  }),
]);
export type Progress = z.infer<typeof Progress>;
export type Phase = Progress["phase"];
export type In<P extends Phase> = Extract<Progress, { phase: P }>;

/** Something the centre should hear of; kept until the site agent has taken it. */
export const PendingEvent = z.object({
  seq: z.number().int().min(1),
  event: NodeEventName,
  imageId: ImageId.nullable(),
  rolloutId: RolloutId.nullable(),
  grantId: GrantId.nullable(),
  because: reasons,
});
export type PendingEvent = z.infer<typeof PendingEvent>;

export const NumberedRefusal = z.object({
  number: z.number().int().min(1),
  imageId: ImageId,
  at: EpochMs,
  because: reasons,
});

export const UpdateState = z.object({
  v: z.literal(1),
  orders: NodeOrders.nullable(),
  progress: Progress,
  /** The running system; null only before the first `booted` input. */
  booted: z
    .object({ slot: Slot, bootId: z.string().max(60), imageId: ImageId.nullable() })
    .nullable(),
  slots: z.object({ a: SlotState, b: SlotState }),
  /** Image the loader starts by default, as far as we know. */
  committedImageId: ImageId.nullable(),
  /** Images this node has committed, newest last. */
  proved: z.array(ImageId).max(8),
  /** Highest minimum ever ordered, by release name. */
  minimums: z.record(z.string(), count),
  refusals: z.array(NumberedRefusal).max(50),
  refusalCount: count,
  attempt: z.object({ imageId: ImageId, rolloutId: RolloutId.nullable(), count }).nullable(),
  /** When this node rebooted for a change during the last day. */
  rebootsAt: z.array(EpochMs).max(100),
  events: z.array(PendingEvent).max(100),
  eventSeq: count,
  because: reasons,
});
export type UpdateState = z.infer<typeof UpdateState>;

/** The state of a node that has never run us before. */
export function firstState(wallMs: number): UpdateState {
  return {
    v: 1,
    orders: null,
    progress: { phase: "steady", since: wallMs },
    booted: null,
    slots: {
      a: { condition: "empty", imageId: null },
      b: { condition: "empty", imageId: null },
    },
    committedImageId: null,
    proved: [],
    minimums: {},
    refusals: [],
    refusalCount: 0,
    attempt: null,
    rebootsAt: [],
    events: [],
    eventSeq: 0,
    because: [],
  };
}
