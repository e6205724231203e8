// The conversation of a node with its site agent: what is learnt is durable before it counts, a bad
// document changes nothing, and silence only makes the node ask less often.
import { describe, expect, it } from "vitest";
import type { NodeOrders } from "../core/update/orders.ts";
import { firstState, type UpdateState } from "../core/update/state.ts";
import type { NodeBundle } from "../node-api/contract.ts";
import type { TrustMemory } from "../trust-keeper.ts";
import { bundleWith, issuedAt, node, release, signers, site } from "./bundle-fixture.ts";
import { ReportSender } from "./report-sender.ts";
import { SiteContact } from "./site-contact.ts";
import { firstTrust } from "./trust-bundle.ts";

function world(first: NodeBundle) {
  const seen = {
    now: 1_000,
    bundle: first,
    generation: 7,
    isSilent: false,
    asked: 0,
    remembered: [] as TrustMemory[],
    orders: [] as NodeOrders[],
    sent: [] as string[][],
    state: firstState(issuedAt) as UpdateState,
  };
  const keeper = firstTrust(site, { ...first, desired: null, releases: {} });
  const reports = new ReportSender({
    ...{ node, agentVersion: "1.0.0", bootId: "b" },
    facts: {} as never,
    site: {
      sendReports: async (list) => {
        seen.sent.push(list.map(({ kind }) => kind));
      },
    },
    state: () => seen.state,
    health: async () => ({ uptimeMs: 1 }),
    probes: () => [],
    onEventsSent: (upToSeq) => {
      seen.state = { ...seen.state, events: seen.state.events.filter(({ seq }) => seq > upToSeq) };
    },
  });
  const contact = new SiteContact({
    ...{ node, keeper, reports },
    site: {
      async hello() {
        seen.asked += 1;
        if (seen.isSilent) throw new Error("no route to the site agent");
        return { site, node, generation: seen.generation, at: issuedAt };
      },
      bundle: async () => seen.bundle,
    },
    log: { debug() {}, info() {}, warn() {}, error() {}, child: () => ({}) as never },
    remember: (trust) => seen.remembered.push(trust),
    onOrders: (orders) => {
      expect(seen.remembered.length, "kept before it counts").toBeGreaterThan(0);
      seen.orders.push(orders);
    },
    now: () => issuedAt + 1_000,
    monotonicMs: () => seen.now,
    random: () => 0.5,
  });
  return { seen, contact };
}

describe("a node and its site agent", () => {
  it("learns verified desired state, keeps it, and only then follows it", async () => {
    const { seen, contact } = world(bundleWith());
    await contact.round();
    expect(seen.orders[0]).toMatchObject({ generation: 7, committed: release });
    expect(seen.sent[0]).toEqual(["node-facts", "node-state", "node-health"]);
  });

  it("follows nothing that a stranger signed, and goes on asking", async () => {
    const { seen, contact } = world(bundleWith({ desiredBy: signers.stranger }));
    await contact.round();
    expect(seen.orders).toEqual([]);
    seen.bundle = bundleWith();
    seen.now += 60_000;
    await contact.round();
    expect(seen.orders[0]?.generation).toBe(7);
  });

  it("asks a silent site agent less and less often, and at once again when it answers", async () => {
    const { seen, contact } = world(bundleWith());
    seen.isSilent = true;
    for (let second = 0; second < 300; second += 1, seen.now += 1_000) await contact.round();
    expect(seen.asked).toBeGreaterThan(5);
    expect(seen.asked).toBeLessThan(15);
    seen.isSilent = false;
    seen.now += 75_000;
    await contact.round();
    expect(seen.orders).toHaveLength(1);
  });

  it("repeats an event until the site has taken it, and facts only once", async () => {
    const { seen, contact } = world(bundleWith());
    await contact.round();
    const none = { imageId: null, rolloutId: null, grantId: null, because: [] };
    seen.state = { ...seen.state, events: [{ seq: 1, event: "committed", ...none }] };
    seen.now += 6_000;
    await contact.round();
    seen.now += 6_000;
    await contact.round();
    expect(seen.sent.slice(1)).toEqual([["node-event", "node-state"], ["node-state"]]);
  });
});
