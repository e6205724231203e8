// What a site's document assigns: only what an open wave brings, and what the newest rollout settled
// is never opened again by an older one.
import { SitePolicy } from "@drover/shared/site/policy";
import { describe, expect, it } from "vitest";
import { release, rolloutId, siteId, start, till } from "../../store/contract/samples.ts";
import { desiredContent, sameContent } from "./desired.ts";
import type { SiteDesiredFacts, SiteRollout } from "./facts.ts";

function rollout(n: number, change: Partial<SiteRollout> = {}): SiteRollout {
  return {
    rolloutId: rolloutId(n),
    rolloutEpoch: n,
    createdAt: start + n,
    phase: "running",
    releases: { [till]: release(2) },
    siteState: "ready",
    touched: false,
    ...change,
  };
}

function facts(
  rollouts: readonly SiteRollout[],
  change: Partial<SiteDesiredFacts> = {},
): SiteDesiredFacts {
  return {
    site: siteId(1),
    status: "active",
    policy: SitePolicy.parse({}),
    nodes: [],
    classes: [{ name: till, committed: release(1), minimum: 0, withdrawn: [], procedure: null }],
    rollouts,
    metadata: { rootVersion: 1, releases: {} },
    stored: null,
    reportedGeneration: 0,
    adoptedGeneration: 0,
    dirtySeq: 1,
    frozen: false,
    ...change,
  };
}

const assigned = (given: SiteDesiredFacts) => desiredContent(given).content.classes[till]?.assigned;

describe("a desired document", () => {
  it("assigns the release of a running or paused rollout whose wave is open at the site", () => {
    const expected = { release: release(2), rolloutId: rolloutId(1), rolloutEpoch: 1 };
    expect(assigned(facts([rollout(1)]))).toEqual(expected);
    expect(assigned(facts([rollout(1, { phase: "paused" })]))).toEqual(expected);
    expect(assigned(facts([rollout(1, { siteState: "waiting" })]))).toBeNull();
    expect(assigned(facts([rollout(1, { phase: "cancelled" })]))).toBeNull();
  });

  it("keeps the assignment of a halted rollout only where some node was granted the change", () => {
    expect(assigned(facts([rollout(1, { phase: "halted" })]))).toBeNull();
    expect(assigned(facts([rollout(1, { phase: "halted", touched: true })]))).not.toBeNull();
  });

  it("follows the newest rollout, even when that one is done with the site", () => {
    const older = rollout(1, { phase: "halted", touched: true });
    const newer = rollout(2, { releases: { [till]: release(1) } });
    expect(assigned(facts([older, newer]))).toMatchObject({ rolloutId: rolloutId(2) });
    expect(assigned(facts([older, { ...newer, siteState: "committed" }]))).toBeNull();
  });

  it("assigns nothing below the minimum, nothing withdrawn, and nothing to a site that is not active", () => {
    const base = facts([rollout(1)]);
    const withClass = (change: object) => ({
      ...base,
      classes: base.classes.map((c) => ({ ...c, ...change })),
    });
    expect(assigned(withClass({ minimum: 3 }))).toBeNull();
    expect(
      assigned(withClass({ withdrawn: [{ imageId: release(2).imageId, reason: "bad" }] })),
    ).toBeNull();
    expect(assigned({ ...base, status: "quarantined" })).toBeNull();
    expect(desiredContent(withClass({ minimum: 3 })).because.join()).toMatch(/below minimum 3/);
  });

  it("is the same content whatever the order of what it was made from", () => {
    const two = facts([rollout(1), rollout(2)]);
    const { content } = desiredContent(two);
    const reversed = desiredContent({ ...two, rollouts: two.rollouts.toReversed() }).content;
    expect(sameContent(content, reversed)).toBe(true);
    expect(sameContent(content, desiredContent(facts([])).content)).toBe(false);
  });
});
