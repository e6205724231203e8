// The moves that several states of a rollout share. Every move that takes permission away raises the
// epoch, so that a grant request made before it is answered with no.
import type { EpochMs } from "@drover/shared/ids";
import type { RolloutState } from "@drover/shared/rollout/state";
import type { RolloutEffect, RolloutInput, RolloutProgress, RolloutStep } from "./inputs.ts";

export const refresh: RolloutEffect = { kind: "refresh-members" };

export function begin(
  progress: RolloutProgress,
  startsAt: EpochMs | null,
  now: EpochMs,
): RolloutStep {
  if (startsAt === null || startsAt <= now) return run(progress, 0, ["started"]);
  const state = { phase: "scheduled", startsAt } as const;
  return { state: { ...progress, state }, effects: [], because: ["its start is scheduled"] };
}

export function run(
  progress: RolloutProgress,
  wave: number,
  because: readonly string[],
): RolloutStep {
  const state = { phase: "running", wave, step: "updating" } as const;
  return { state: { ...progress, state }, effects: [{ kind: "open-wave", wave }], because };
}

export function halt(
  progress: RolloutProgress,
  wave: number,
  by: string,
  because: readonly string[],
): RolloutStep {
  const state: RolloutState = { phase: "halted", wave, by, because: [...because] };
  return {
    state: { ...progress, state, rolloutEpoch: progress.rolloutEpoch + 1 },
    effects: [refresh],
    because: [`halted by ${by}`, ...because],
  };
}

/** The words that end a rollout for good; they raise the epoch like a halt. */
export function ended(
  progress: RolloutProgress,
  input: RolloutInput,
  effects: readonly RolloutEffect[],
): RolloutStep | undefined {
  const end = (state: RolloutState, because: string) => ({
    state: { ...progress, state, rolloutEpoch: progress.rolloutEpoch + 1 },
    effects,
    because: [because],
  });
  if (input.kind === "cancel") {
    return end(
      { phase: "cancelled", by: input.by, because: [input.reason] },
      `cancelled by ${input.by}: ${input.reason}`,
    );
  }
  if (input.kind === "supersede") {
    return end({ phase: "superseded", by: input.by }, `superseded by ${input.by}`);
  }
  if (input.kind === "expire") return end({ phase: "expired" }, "its time is over");
  return undefined;
}

export function refusal(phase: RolloutState["phase"], input: RolloutInput): string {
  return `${input.kind} means nothing to a rollout that is ${phase}`;
}
