// Plans: the same inventory gives the same plan, the first wave holds every stratum, and nobody who
// cannot change is counted in.

import { RolloutPolicy } from "@drover/shared/rollout/policy";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { release, siteId, till } from "../../store/contract/samples.ts";
import { orderSites } from "./order.ts";
import { type PlanSite, planContent, planRollout, waveEnds } from "./plan.ts";

const request = {
  releases: { [till]: release(2) },
  selection: {},
  policy: RolloutPolicy.parse({ waves: [{ count: 3 }, { percent: 12.5 }, { percent: 100 }] }),
  salt: "salt",
  minimum: {},
  withdrawn: [],
};

function site(n: number, change: Partial<PlanSite> = {}): PlanSite {
  return {
    site: siteId(n),
    status: "active",
    hollow: false,
    region: "emea/de",
    labels: {},
    committed: { [till]: release(1) },
    nodes: [node({ model: `model ${n % 3}` })],
    ...change,
  };
}

function node(change: Partial<PlanSite["nodes"][number]> = {}): PlanSite["nodes"][number] {
  return {
    class: till,
    model: "box",
    running: release(1).imageId,
    hold: false,
    refuses: [],
    ...change,
  };
}

const fleet = Array.from({ length: 40 }, (_, index) => site(index + 1));

describe("a plan", () => {
  it("is the same for the same inventory in any order, and so is its hash", () => {
    const hash = (sites: readonly PlanSite[]) => planContent(planRollout(sites, request), request);
    expect(hash(fleet.toReversed())).toEqual(hash(fleet));
    expect(hash(fleet.slice(1))).not.toEqual(hash(fleet));
  });

  it("puts one site of every stratum into the first wave when it is large enough", () => {
    const { members } = planRollout(fleet, request);
    const strata = new Set(members.map((member) => member.stratum));
    expect(strata.size).toBe(3);
    expect(new Set(members.filter((m) => m.wave === 0).map((m) => m.stratum))).toEqual(strata);
  });

  it("says when the first wave cannot hold every stratum", () => {
    const policy = RolloutPolicy.parse({ waves: [{ count: 1 }, { percent: 100 }] });
    const { because } = planRollout(fleet, { ...request, policy });
    expect(because.join("; ")).toMatch(/wave 1 holds 1 of 3 strata/);
  });

  it("leaves out, with reasons, whoever is selected but cannot change", () => {
    const sites = [
      site(1, { status: "quarantined" }),
      site(2, { nodes: [node({ class: null })] }),
      site(3, { nodes: [node({ running: release(2).imageId })] }),
      site(4, { nodes: [node({ hold: true })] }),
      site(5, { nodes: [node({ refuses: [release(2).imageId] })] }),
      site(6, { region: "apac/jp" }),
      site(7),
    ];
    const plan = planRollout(sites, { ...request, selection: { regions: ["emea"] } });
    expect(plan.members.map((member) => member.site)).toEqual([siteId(7)]);
    expect(plan.excluded.map(({ site: id }) => id)).toEqual([1, 2, 3, 4, 5].map(siteId));
    for (const { because } of plan.excluded) expect(because).toHaveLength(1);
  });

  it("refuses to start below a minimum, with a withdrawn release, or with nobody to change", () => {
    const low = planRollout(fleet, { ...request, minimum: { [till]: 3 } });
    expect(low.refusals.join()).toMatch(/counter 2, class till demands 3/);
    const withdrawn = [{ imageId: release(2).imageId, reason: "loses data" }];
    expect(planRollout(fleet, { ...request, withdrawn }).refusals.join()).toMatch(/loses data/);
    expect(planRollout([], request).refusals).toEqual(["no site would change"]);
  });
});

describe("the sizes of waves", () => {
  it("count sites, or take a share of all together with the waves before", () => {
    expect(waveEnds([{ count: 2 }, { percent: 50 }, { percent: 100 }], 10)).toEqual([2, 5, 10]);
  });

  it("cover every site exactly once, whatever is written", () => {
    const size = fc.oneof(
      fc.record({ count: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
    );
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 6 }), fc.nat(200), (waves, count) => {
        const ends = waveEnds(waves, count);
        expect(ends.at(-1) ?? 0).toBe(count);
        expect(ends).toEqual([...new Set(ends)].sort((a, b) => a - b));
      }),
    );
  });
});

describe("the order of sites", () => {
  const plain = { model: "one", hollow: false };

  it("puts one site of every model first, real ones before hollow ones, however many strata there are", () => {
    const rare = { stratum: "rare", model: "rare", hollow: false };
    const sites = fleet.map((s, index) =>
      index === 17
        ? { site: s.site, ...rare }
        : {
            site: s.site,
            stratum: `stratum ${index % 9}`,
            model: `model ${index % 2}`,
            hollow: true,
          },
    );
    for (let salt = 0; salt < 20; salt += 1) {
      const first = orderSites(sites, `salt ${salt}`).slice(0, 3);
      expect(first.map((s) => s.model).sort()).toEqual(["model 0", "model 1", "rare"]);
      expect(first[0]?.model).toBe("rare");
    }
  });

  it("changes with the salt, so that it is never the same sites first", () => {
    const sites = fleet.map((s) => ({ site: s.site, stratum: "one", ...plain }));
    const firsts = new Set(
      Array.from({ length: 60 }, (_, salt) => orderSites(sites, `salt ${salt}`)[0]?.site),
    );
    expect(firsts.size).toBeGreaterThan(20);
  });

  it("lets strata advance in proportion to their size", () => {
    const sites = fleet.map((s, index) => ({
      site: s.site,
      stratum: index < 30 ? "big" : "small",
      ...plain,
    }));
    const half = orderSites(sites, "salt").slice(0, 20);
    const small = half.filter((s) => s.stratum === "small").length;
    expect(small).toBeGreaterThanOrEqual(4);
    expect(small).toBeLessThanOrEqual(6);
  });
});
