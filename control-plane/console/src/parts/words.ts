// How numbers, times and states read on screen, the same words everywhere.
import type { RolloutView } from "@drover/shared/api/rollout-api";
import type { SiteInRollout } from "@drover/shared/rollout/state";

/** Order in which site states are drawn in a wave bar: done first, trouble last. */
export const stateOrder: readonly SiteInRollout[] = [
  "committed",
  "proving",
  "trial",
  "granted",
  "ready",
  "waiting",
  "inconclusive",
  "silent",
  "fallen-back",
  "excluded",
  "skipped",
];

export const stateWords: Record<SiteInRollout, string> = {
  waiting: "waiting",
  ready: "ready for its grant",
  granted: "granted",
  trial: "in trial boot",
  proving: "proving",
  committed: "committed",
  "fallen-back": "fell back by itself",
  inconclusive: "inconclusive",
  silent: "silent",
  excluded: "excluded",
  skipped: "skipped",
};

/** `by NAME, wave 1 of 3, soaking until …`: what is said beside the phase of a rollout. */
export function where(rollout: RolloutView): string {
  const { state, waves } = rollout;
  const wave = "wave" in state ? [`wave ${state.wave + 1} of ${waves.length}`] : [];
  const step =
    "step" in state
      ? [state.step === "soaking" ? `soaking until ${clock(state.soakEndsAt)} UTC` : "updating"]
      : [];
  const at = state.phase === "finished" ? [`at ${clock(state.at)} UTC`] : [];
  return [...stoppedBy(state), ...wave, ...step, ...at].join(", ");
}

/** Who or what brought the rollout to a stop; nothing for one that goes on. */
function stoppedBy(state: RolloutView["state"]): readonly string[] {
  if (!("by" in state)) return [];
  return [state.by === "verdict" ? "by its verdict" : `by ${state.by}`];
}

/** Why a rollout was stopped, or what one that goes on waits for; one that is over needs no reason here. */
export function reasons(rollout: RolloutView): readonly string[] {
  const own = "because" in rollout.state ? rollout.state.because : [];
  if (own.length > 0) return [...new Set(own)];
  return isOver(rollout) ? [] : [...new Set(rollout.because)];
}

/** How many sites of all waves are in `state`. */
export const sitesIn = (rollout: RolloutView, state: SiteInRollout): number =>
  rollout.waves.reduce((sum, wave) => sum + (wave.tally[state] ?? 0), 0);

/** Phases a person has to look at before those that run, and those before the ones that are over. */
const urgency: readonly RolloutView["state"]["phase"][] = [
  "halted",
  "running",
  "paused",
  "awaiting-approval",
  "scheduled",
  "draft",
];

export const rank = (rollout: RolloutView): number => {
  const at = urgency.indexOf(rollout.state.phase);
  return at < 0 ? urgency.length : at;
};

export const isOver = (rollout: RolloutView): boolean => rank(rollout) === urgency.length;

export const clock = (at: number | null): string =>
  at === null ? "never" : new Date(at).toISOString().replace("T", " ").slice(0, 19);
