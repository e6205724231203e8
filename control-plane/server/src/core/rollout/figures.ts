// Counts of the sites of one wave. Hollow and real sites are counted apart and never added together.
import type { EpochMs } from "@drover/shared/ids";
import {
  emptyTally,
  inFlightStates,
  type SiteInRollout,
  type Tally,
} from "@drover/shared/rollout/state";
import { reachability } from "../fleet/reachability.ts";
import type { RolloutSite } from "./facts.ts";

/** One kind of site in one wave. */
export interface Figures {
  readonly tally: Tally;
  /** Sites that could ask for a grant and have not finished. */
  readonly pendingHeard: number;
  /** Sites that have not finished and are not heard from: they neither block nor vanish. */
  readonly pendingUnheard: number;
}

export interface WaveFigures {
  readonly real: Figures;
  readonly hollow: Figures;
}

/** Sites of which a verdict speaks: everyone but excluded and skipped ones. */
export function concernedSites(tally: Tally): number {
  return total(tally) - tally.excluded - tally.skipped;
}

export function inFlightSites(tally: Tally): number {
  return inFlightStates.reduce((sum, state) => sum + tally[state], 0);
}

function total(tally: Tally): number {
  return Object.values(tally).reduce((sum, count) => sum + count, 0);
}

/** Figures of every wave, by the given current state of each site. */
export function waveFigures(
  sites: readonly { readonly site: RolloutSite; readonly state: SiteInRollout }[],
  waveCount: number,
  now: EpochMs,
): readonly WaveFigures[] {
  const empty = () => ({ tally: emptyTally(), pendingHeard: 0, pendingUnheard: 0 });
  const waves = Array.from({ length: waveCount }, () => ({ real: empty(), hollow: empty() }));
  for (const { site, state } of sites) {
    const wave = waves[site.wave];
    if (wave === undefined) continue;
    const figures = site.hollow ? wave.hollow : wave.real;
    figures.tally[state] += 1;
    if (state !== "ready" && state !== "waiting") continue;
    const heard = reachability(site, now);
    if (heard === "live" || heard === "stale") figures.pendingHeard += 1;
    else figures.pendingUnheard += 1;
  }
  return waves;
}
