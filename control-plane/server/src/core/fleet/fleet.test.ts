// Reachability from beats alone, and what a site that is ahead of the database means.
import { describe, expect, it } from "vitest";
import { reachability } from "./reachability.ts";
import { freezeAfterAdoption, isAhead, nextGeneration } from "./restore.ts";

describe("reachability", () => {
  it("goes from live to stale after three missed beats, and to lost after the time policy names", () => {
    const site = { heardAt: 0, beatMs: 30_000 };
    expect(reachability(site, 105_000)).toBe("live");
    expect(reachability(site, 105_001)).toBe("stale");
    expect(reachability(site, 900_000)).toBe("stale");
    expect(reachability(site, 900_001)).toBe("lost");
    expect(reachability({ ...site, heardAt: null }, 5)).toBe("never");
  });

  it("never calls a site lost before it is stale, however long its beats are apart", () => {
    expect(reachability({ heardAt: 0, beatMs: 3_600_000 }, 3_600_000)).toBe("live");
  });
});

describe("after a restore", () => {
  it("generations go on above everything stored and reported", () => {
    expect(nextGeneration({ stored: 3, reported: 9 })).toBe(10);
    expect(nextGeneration({ stored: 9, reported: 3 })).toBe(10);
  });

  it("a site is ahead until it is stored or a person accepts it", () => {
    expect(isAhead({ stored: 3, reported: 4, adopted: 0 })).toBe(true);
    expect(isAhead({ stored: 3, reported: 4, adopted: 4 })).toBe(false);
    expect(isAhead({ stored: 4, reported: 4, adopted: 0 })).toBe(false);
  });

  it("one site alone cannot freeze a fleet, two can, and so can the only one", () => {
    const freeze = (activeSites: number, aheadSites: number) =>
      freezeAfterAdoption({ activeSites, aheadSites }).freeze;
    expect([freeze(100, 1), freeze(100, 2), freeze(1, 1), freeze(1, 0)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
