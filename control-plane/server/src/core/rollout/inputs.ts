// Everything that can move a rollout, and everything a move can ask for. Words are people's; a look
// is the loop's and carries nothing but figures.
import type { EpochMs, RolloutId } from "@drover/shared/ids";
import type { RolloutPolicy } from "@drover/shared/rollout/policy";
import type { RolloutState } from "@drover/shared/rollout/state";
import type { Step } from "@drover/shared/step";
import type { RolloutHead } from "./facts.ts";
import type { WaveFigures } from "./figures.ts";

/** What of the rollout row the machine moves. */
export type RolloutProgress = Pick<RolloutHead, "state" | "rolloutEpoch" | "accepted">;

export interface RolloutRules {
  readonly policy: RolloutPolicy;
  readonly waveCount: number;
  /** Another rollout takes this one back: it may not run again. */
  readonly rolledBack: boolean;
}

/** A word of a person, or of policy. `startsAt` null means now. */
export type RolloutWord =
  | { readonly kind: "start"; readonly startsAt: EpochMs | null; readonly needsApproval: boolean }
  | { readonly kind: "approve"; readonly startsAt: EpochMs | null }
  | { readonly kind: "pause"; readonly by: string; readonly reason: string }
  | { readonly kind: "resume"; readonly by: string; readonly reason: string }
  | { readonly kind: "halt"; readonly by: string; readonly reason: string }
  | { readonly kind: "cancel"; readonly by: string; readonly reason: string }
  | { readonly kind: "supersede"; readonly by: RolloutId }
  | { readonly kind: "expire" };

export type RolloutInput =
  | RolloutWord
  /** Un-halting accepts the figures as they are. */
  | {
      readonly kind: "un-halt";
      readonly by: string;
      readonly reason: string;
      readonly waves: readonly WaveFigures[];
    }
  /** The loop looked; `frozen` stops starts, not verdicts. */
  | { readonly kind: "look"; readonly waves: readonly WaveFigures[]; readonly frozen: boolean };

/** `refresh-members`: desired documents of all members may change. */
export type RolloutEffect =
  | { readonly kind: "open-wave"; readonly wave: number }
  | { readonly kind: "refresh-members" };

export type RolloutStep = Step<RolloutProgress, RolloutEffect>;
export type Phase<Name extends RolloutState["phase"]> = Extract<RolloutState, { phase: Name }>;
