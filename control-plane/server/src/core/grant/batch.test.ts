// A batch of grant requests, whatever it holds: caps hold over all its answers together.
import { GrantId } from "@drover/shared/ids";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits, site } from "../../store/contract/grant-samples.ts";
import { request, siteId } from "../../store/contract/samples.ts";
import { decideGrants } from "./decide.ts";
import { regionPrefix } from "./in-flight.ts";

const now = 1_000_000;

describe("a batch of grant requests", () => {
  it("never lets a batch break a cap, whoever asks in whatever order", () => {
    const anyRequest = fc.record({ n: fc.integer({ min: 1, max: 8 }), both: fc.boolean() });
    const anyLimits = fc.record({
      flight: fc.integer({ min: 1, max: 4 }),
      region: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyRequest, { maxLength: 24 }),
        anyLimits,
        (asks, { flight, region }) => {
          const sites = Array.from({ length: 8 }, (_, index) =>
            site(index + 1, {
              region: index % 2 === 0 ? "emea/de/berlin" : "emea/fr/paris",
              pair: index % 4 === 0 ? siteId(index + 2) : null,
            }),
          );
          const facts = {
            frozen: false,
            withdrawn: [],
            openGrants: [],
            earlierGrants: [],
            sites,
            rollouts: [limits({ regionInFlightMax: region }, flight)],
          };
          const requests = asks.map(({ n, both }, index) =>
            request(`${index}`, n, both ? [n * 10 + 1, n * 10 + 2] : [n * 10 + 2]),
          );
          let made = 0;
          const newId = () => {
            made += 1;
            return GrantId.parse(`g-fresh${made}`);
          };
          const decisions = decideGrants(facts, requests, { now, localTime: () => null, newId });
          const rows = decisions.flatMap((d) => (d.outcome === "granted" ? d.rows : []));
          const busy = new Set(rows.map((row) => row.site));
          expect(busy.size).toBeLessThanOrEqual(flight);
          for (const { site: id, region: path, pair } of sites) {
            const nodes = new Set(rows.filter((row) => row.site === id).map((row) => row.node));
            expect(nodes.size).toBeLessThanOrEqual(1);
            if (pair !== null) expect(busy.has(id) && busy.has(pair)).toBe(false);
            const inRegion = sites.filter(
              (other) =>
                busy.has(other.site) && regionPrefix(other.region, 2) === regionPrefix(path, 2),
            );
            if (region > 0) expect(inRegion.length).toBeLessThanOrEqual(region);
          }
        },
      ),
    );
  });
});
