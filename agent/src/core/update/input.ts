// What can happen to a node's update machine, what it may ask its shell to do, and the figures it obeys.
// Effects are idempotent: the shell persists the state first and may be told the same thing again.
import type { GrantId, ImageId, RolloutId, Sha256 } from "@drover/shared/ids";
import type { Slot } from "@drover/shared/node/slot";
import type { Moment } from "./moment.ts";
import type { NodeOrders } from "./orders.ts";

/** Why the loader chose the running slot. */
export type BootReason = "cold" | "try" | "fall" | "late" | "resc";

export type UpdateEvent =
  | { readonly kind: "orders"; readonly orders: NodeOrders }
  | {
      readonly kind: "prefetch-progress";
      readonly imageId: ImageId;
      readonly doneBytes: number;
      readonly totalBytes: number;
    }
  | {
      readonly kind: "prefetched";
      readonly imageId: ImageId;
      readonly verityRoot: Sha256;
      readonly totalBytes: number;
    }
  | { readonly kind: "prefetch-failed"; readonly imageId: ImageId; readonly because: string }
  | {
      readonly kind: "slot-written";
      readonly slot: Slot;
      readonly imageId: ImageId;
      /** Verity root computed from what was read back. */
      readonly verityRoot: Sha256;
    }
  | {
      readonly kind: "write-failed";
      readonly slot: Slot;
      readonly imageId: ImageId;
      readonly because: string;
    }
  | { readonly kind: "nonce-made"; readonly nonce: string }
  | {
      /** The signature is already checked; everything else is judged here. */
      readonly kind: "grant";
      readonly grantId: GrantId;
      readonly nonce: string;
      readonly imageId: ImageId;
      readonly rolloutId: RolloutId;
      readonly rolloutEpoch: number;
      readonly validMs: number;
    }
  | {
      readonly kind: "grant-denied";
      readonly nonce: string;
      readonly retryAfterMs: number;
      readonly because: readonly string[];
    }
  | { readonly kind: "armed"; readonly slot: Slot }
  | { readonly kind: "arm-failed"; readonly slot: Slot; readonly because: string }
  | {
      /** The agent has started: after a boot, or again within one. */
      readonly kind: "booted";
      readonly slot: Slot;
      readonly why: BootReason;
      readonly measuredVerityRoot: Sha256 | null;
      readonly measuredImageId: ImageId | null;
    }
  | { readonly kind: "probes"; readonly healthy: boolean; readonly because: readonly string[] }
  | { readonly kind: "site-answer"; readonly answered: boolean }
  | { readonly kind: "marked"; readonly slot: Slot; readonly defaultSlot: Slot | null }
  | { readonly kind: "events-sent"; readonly upToSeq: number }
  | { readonly kind: "tick" };

/** One input: what happened, and when on this node's clocks. */
export type UpdateInput = UpdateEvent & { readonly now: Moment };

export type UpdateEffect =
  | { readonly kind: "prefetch"; readonly imageId: ImageId }
  | {
      readonly kind: "write-slot";
      readonly slot: Slot;
      readonly imageId: ImageId;
      readonly verityRoot: Sha256;
    }
  | { readonly kind: "make-nonce" }
  | {
      readonly kind: "ask-grant";
      readonly nonce: string;
      readonly imageId: ImageId;
      readonly rolloutId: RolloutId;
      readonly rolloutEpoch: number;
    }
  | {
      readonly kind: "arm-trial";
      readonly slot: Slot;
      readonly imageId: ImageId;
      readonly bootsMax: number;
      /** Arming after this moment is forbidden; null for a repair, which needs no grant. */
      readonly notAfter: Moment | null;
    }
  /** No trial of this image may be pending any more. */
  | { readonly kind: "disarm"; readonly imageId: ImageId }
  | { readonly kind: "run-probes"; readonly imageId: ImageId }
  | { readonly kind: "ask-site" }
  /** Make the running slot the default; `oldVerifies` keeps the other one as a fallback. */
  | { readonly kind: "mark-good"; readonly slot: Slot; readonly oldVerifies: boolean }
  | { readonly kind: "reboot"; readonly because: string };

/** Figures from the site's policy, tightened by its ceilings. */
export interface UpdatePolicy {
  readonly provingMs: number;
  readonly trialDeadlineMs: number;
  readonly trialBootsMax: number;
  readonly rebootsPerDayMax: number;
  /** A grant is worthless this long after its nonce was made, whatever it says itself. */
  readonly grantValidMs: number;
  /** How often probes run and the site agent is asked while proving. */
  readonly checkEveryMs: number;
  /** Pause before an inconclusive change is tried again. */
  readonly retryInconclusiveMs: number;
  /** Trials of one image in one rollout, all told. */
  readonly attemptsMax: number;
}
