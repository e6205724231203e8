// Facts for the tests of grant decisions: a site that may change, and a rollout with given caps.
import { SitePolicy } from "@drover/shared/site/policy";
import type { GrantSite } from "../../core/grant/facts.ts";
import { nodeId, release, rolloutId, rolloutRow, siteId, till } from "./samples.ts";

export function site(n: number, change: Partial<GrantSite> = {}): GrantSite {
  return {
    site: siteId(n),
    status: "active",
    hollow: false,
    region: "emea/de/berlin",
    pair: null,
    timeZone: "Etc/UTC",
    policy: SitePolicy.parse({}),
    ahead: false,
    nodes: [n * 10 + 1, n * 10 + 2].map((node) => ({
      id: nodeId(node),
      class: till,
      hold: false,
      running: release(1).imageId,
      refuses: [],
    })),
    memberships: [{ rolloutId: rolloutId(1), wave: 0, state: "ready", excluded: false }],
    ...change,
  };
}

export const head = rolloutRow(1, [1]).head;
export const limits = (place: object, inFlightMax = 1) => ({
  ...head,
  policy: { ...head.policy, inFlightMax, place: { ...head.policy.place, ...place } },
});
