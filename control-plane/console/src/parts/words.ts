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

export function standing(rollout: RolloutView): string {
  const { state } = rollout;
  const wave = "wave" in state ? `, wave ${state.wave + 1} of ${rollout.waves.length}` : "";
  return `${state.phase}${"step" in state ? ` (${state.step})` : ""}${wave}`;
}

export const clock = (at: number | null): string =>
  at === null ? "never" : new Date(at).toISOString().replace("T", " ").slice(0, 19);
