// The order in which sites get a change: a salted hash, so that it is never the same sites first. One
// site of every hardware model comes before all else, real ones first, so that a small canary still
// holds every model; then one of every stratum before the second of any.
import type { SiteId } from "@drover/shared/ids";
import { seedOf } from "@drover/shared/random";

export interface OrderedSite {
  readonly site: SiteId;
  readonly stratum: string;
  /** Hardware models of the nodes that change. */
  readonly model: string;
  readonly hollow: boolean;
}

/**
 * A 32-bit place for a site in this rollout: FNV-1a with the finaliser of MurmurHash3 (fmix32), for
 * FNV alone hardly spreads names that differ in their last characters. Order only, no security.
 */
export function placeOf(salt: string, site: string): number {
  let hash = seedOf(`${salt}/${site}`);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Deterministic in (salt, set of sites); the order of the input plays no part. */
export function orderSites<T extends OrderedSite>(sites: readonly T[], salt: string): readonly T[] {
  const placed = sites
    .map((site) => ({ site, place: placeOf(salt, site.site) }))
    .sort((a, b) => a.place - b.place || (a.site.site < b.site.site ? -1 : 1));
  const sizes = new Map<string, number>();
  for (const { site } of placed) sizes.set(site.stratum, (sizes.get(site.stratum) ?? 0) + 1);
  const seen = new Map<string, number>();
  const models = new Set<string>();
  const ranked = placed.map(({ site, place }) => {
    const rank = seen.get(site.stratum) ?? 0;
    seen.set(site.stratum, rank + 1);
    const share = (rank + 0.5) / (sizes.get(site.stratum) ?? 1);
    const model = `${site.hollow} ${site.model}`;
    const isFirstOfModel = !models.has(model);
    models.add(model);
    // The first of each stratum comes before everything else, then strata advance in proportion.
    const turn = rank === 0 ? 0 : share;
    return { site, place, share: isFirstOfModel ? (site.hollow ? -1 : -2) : turn };
  });
  return ranked.sort((a, b) => a.share - b.share || a.place - b.place).map(({ site }) => site);
}
