// Who is between grant and outcome, over all rollouts. Counting is by site; nodes count only within
// their own site. Grants decided earlier in the same batch count at once.
import type { NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { OpenGrant } from "./facts.ts";

export interface InFlight {
  /** Other nodes of the site that hold an open grant, of any rollout. */
  busyNodes(site: SiteId, except: readonly NodeId[]): number;
  /** Whether any node of the site or of one that backs it up holds an open grant. */
  pairBusy(site: SiteId, pair: SiteId | null): SiteId | undefined;
  sitesOfRollout(rolloutId: RolloutId): ReadonlySet<SiteId>;
  /** Sites of the same kind (hollow or real) below the region prefix. */
  sitesOfRegion(prefix: string, hollow: boolean): ReadonlySet<SiteId>;
  add(grant: OpenGrant): void;
}

/** The first `depth` elements of a region path. */
export function regionPrefix(region: string, depth: number): string {
  return region.split("/").slice(0, depth).join("/");
}

export function countInFlight(open: readonly OpenGrant[]): InFlight {
  const nodes = new Map<SiteId, Set<NodeId>>();
  const backedUpBy = new Map<SiteId, Set<SiteId>>();
  const byRollout = new Map<RolloutId, Set<SiteId>>();
  const byPrefix = new Map<string, Set<SiteId>>();
  const into = <K, V>(map: Map<K, Set<V>>, key: K, value: V): void => {
    const set = map.get(key) ?? new Set<V>();
    set.add(value);
    map.set(key, set);
  };
  const add = (grant: OpenGrant): void => {
    into(nodes, grant.site, grant.node);
    if (grant.pair !== null) into(backedUpBy, grant.pair, grant.site);
    // A silent site was judged already: it must not block the fleet, only its pair and itself.
    if (grant.silent) return;
    into(byRollout, grant.rolloutId, grant.site);
    const depth = grant.region.split("/").length;
    for (let length = 1; length <= depth; length += 1) {
      const prefix = regionPrefix(grant.region, length);
      into(byPrefix, `${grant.hollow ? "hollow" : "real"} ${prefix}`, grant.site);
    }
  };
  for (const grant of open) add(grant);
  const none: ReadonlySet<SiteId> = new Set();
  return {
    add,
    busyNodes: (site, except) =>
      [...(nodes.get(site) ?? [])].filter((node) => !except.includes(node)).length,
    pairBusy: (site, pair) => {
      if (pair !== null && nodes.has(pair)) return pair;
      return [...(backedUpBy.get(site) ?? [])].find((other) => other !== site);
    },
    sitesOfRollout: (rolloutId) => byRollout.get(rolloutId) ?? none,
    sitesOfRegion: (prefix, hollow) =>
      byPrefix.get(`${hollow ? "hollow" : "real"} ${prefix}`) ?? none,
  };
}
