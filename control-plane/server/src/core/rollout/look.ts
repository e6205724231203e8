// One look at a rollout: derive every site, count, step the machine, and list all that changes as one
// write. Null when nothing does, so that a quiet rollout costs no transaction.
import type { EpochMs, NodeClass, NodeId, SiteId } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutState, SiteInRollout } from "@drover/shared/rollout/state";
import type { GrantOutcome, RolloutFacts, RolloutHead, RolloutSite } from "./facts.ts";
import { waveFigures } from "./figures.ts";
import type { RolloutInput, RolloutStep } from "./inputs.ts";
import { type DerivedSite, deriveSite } from "./site-state.ts";
import { stepRollout } from "./step.ts";

export interface RolloutChange {
  readonly state: RolloutState;
  readonly rolloutEpoch: number;
  readonly accepted: RolloutHead["accepted"];
  readonly sites: readonly {
    readonly site: SiteId;
    readonly state: SiteInRollout;
    readonly before: SiteInRollout;
    readonly because: readonly string[];
  }[];
  readonly settled: readonly {
    readonly node: NodeId;
    readonly grantedAt: EpochMs;
    readonly outcome: GrantOutcome;
  }[];
  readonly siteReleases: readonly {
    readonly site: SiteId;
    readonly class: NodeClass;
    readonly release: ReleaseRef;
  }[];
  readonly dirtySites: readonly SiteId[] | "members";
  /** Whether the rollout itself moved, not only its sites. */
  readonly moved: boolean;
  readonly because: readonly string[];
}

/** What is known of the figures right now, for looks and for un-halting. */
export function currentFigures(facts: RolloutFacts, now: EpochMs) {
  const states = facts.sites.map((site) => ({
    site,
    state: deriveSite(facts.head, site, now).state,
  }));
  return waveFigures(states, facts.head.waveCount, now);
}

/** Looks with the loop's eyes. */
export function lookAtRollout(
  facts: RolloutFacts,
  { now, frozen }: { now: EpochMs; frozen: boolean },
): { readonly change: RolloutChange | null; readonly because: readonly string[] } {
  const { head } = facts;
  const waves = currentFigures(facts, now);
  const stepped = stepRollout(head, head, { kind: "look", waves, frozen }, now);
  const after: RolloutFacts = { ...facts, head: { ...head, ...progressOf(stepped) } };
  return { change: changeOf(facts, after, stepped, now), because: stepped.because };
}

/** Applies a word of a person to the row alone; sites follow at the next look. */
export function sayToRollout(
  head: RolloutHead,
  input: Exclude<RolloutInput, { kind: "look" }>,
  now: EpochMs,
): { readonly change: RolloutChange | null; readonly because: readonly string[] } {
  const stepped = stepRollout(head, head, input, now);
  const change = isSame(head, stepped)
    ? null
    : {
        ...progressOf(stepped),
        sites: [],
        settled: [],
        siteReleases: [],
        dirtySites: stepped.effects.length > 0 ? ("members" as const) : [],
        moved: true,
        because: stepped.because,
      };
  return { change, because: stepped.because };
}

/** The machine hands the very same progress back when it stays. */
const isSame = (head: RolloutHead, stepped: RolloutStep): boolean =>
  stepped.state.state === head.state && stepped.state.rolloutEpoch === head.rolloutEpoch;

/** The progress alone, whatever else the row handed in carried along. */
function progressOf({ state: { state, rolloutEpoch, accepted } }: RolloutStep) {
  return { state, rolloutEpoch, accepted };
}

function changeOf(
  before: RolloutFacts,
  after: RolloutFacts,
  stepped: RolloutStep,
  now: EpochMs,
): RolloutChange | null {
  const derived = after.sites.map((site) => ({ site, now: deriveSite(after.head, site, now) }));
  const changed = derived.filter(({ site, now: { state } }) => state !== site.state);
  const settled = derived.flatMap((d) => d.now.settled);
  const siteReleases = derived.flatMap(({ site, now: { releases } }) =>
    releases.map((r) => ({ site: site.site, ...r })),
  );
  const moved = !isSame(before.head, stepped);
  if (!moved && changed.length + settled.length + siteReleases.length === 0) return null;
  const refresh = stepped.effects.some((effect) => effect.kind === "refresh-members");
  return {
    ...progressOf(stepped),
    sites: changed.map(({ site, now: { state, because } }) => ({
      site: site.site,
      state,
      before: site.state,
      because,
    })),
    settled,
    siteReleases,
    dirtySites: refresh ? "members" : derived.filter(movesDocument).map((d) => d.site.site),
    moved,
    because: stepped.because,
  };
}

const atRest: readonly SiteInRollout[] = ["waiting", "committed", "skipped", "excluded"];

/** Whether the site's desired document may read differently now. */
function movesDocument({ site, now }: { site: RolloutSite; now: DerivedSite }): boolean {
  if (now.releases.length > 0) return true;
  return now.state !== site.state && (atRest.includes(now.state) || atRest.includes(site.state));
}
