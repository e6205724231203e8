// A newer rollout takes over where it overlaps an older one in class and site: two rollouts must never
// pull one node in two directions.
import type { RolloutId, SiteId } from "@drover/shared/ids";

export interface RolloutReach {
  readonly id: RolloutId;
  readonly classes: readonly string[];
  readonly sites: readonly SiteId[];
}

/** The older rollouts that `newer` supersedes, with reasons. */
export function supersededBy(
  newer: RolloutReach,
  olders: readonly RolloutReach[],
): readonly { readonly id: RolloutId; readonly because: readonly string[] }[] {
  const sites = new Set<string>(newer.sites);
  return olders.flatMap((older) => {
    const classes = older.classes.filter((name) => newer.classes.includes(name));
    const shared = older.sites.filter((site) => sites.has(site)).length;
    if (older.id === newer.id || classes.length === 0 || shared === 0) return [];
    return [
      {
        id: older.id,
        because: [`${newer.id} takes over ${classes.join(", ")} at ${shared} sites`],
      },
    ];
  });
}
