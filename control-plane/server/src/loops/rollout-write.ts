// Turns a decided change of a rollout into the one write that stores it, timeline included.
import type { EpochMs } from "@drover/shared/ids";
import type { RolloutHead } from "../core/rollout/facts.ts";
import type { RolloutChange } from "../core/rollout/look.ts";
import type { EventRecord, Fence, RolloutWrite } from "./ports.ts";

export function rolloutWrite(
  head: RolloutHead,
  change: RolloutChange,
  { fence, now }: { fence: Fence; now: EpochMs },
): RolloutWrite {
  const { state, rolloutEpoch, accepted, settled, siteReleases, dirtySites } = change;
  const moved: EventRecord[] = change.moved
    ? [
        {
          at: now,
          site: null,
          rolloutId: head.id,
          what: "rollout moved",
          because: [`${head.state.phase} to ${state.phase}`, ...change.because],
        },
      ]
    : [];
  const sites = change.sites.map((site) => ({
    at: now,
    site: site.site,
    rolloutId: head.id,
    what: "site moved",
    because: [`${site.before} to ${site.state}`, ...site.because],
  }));
  return {
    id: head.id,
    fence,
    expectedVersion: head.version,
    now,
    state,
    rolloutEpoch,
    accepted,
    sites: change.sites.map(({ site, state: siteState, because }) => ({
      site,
      state: siteState,
      because,
    })),
    settled,
    siteReleases,
    dirtySites,
    events: [...moved, ...sites],
  };
}
