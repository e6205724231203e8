// Rules of the store for grants: one row per rollout and node, decided under the lease on facts over
// all rollouts, ordered against every halt.
import { GrantId } from "@drover/shared/ids";
import { describe, expect, it } from "vitest";
import { decideGrants } from "../../core/grant/decide.ts";
import type { GrantFacts, PendingGrantRequest } from "../../core/grant/facts.ts";
import {
  classRow,
  nodeId,
  nodeRow,
  nodeState,
  release,
  report,
  request,
  rolloutId,
  rolloutRow,
  siteId,
  siteRow,
  start,
} from "./samples.ts";
import type { StoreUnderTest } from "./seed.ts";

const person = { kind: "person", by: "ada" } as const;

async function ready(under: StoreUnderTest, rollouts: readonly number[] = [1]): Promise<number> {
  const { seed, store } = under;
  await seed.putClass(classRow());
  for (const n of [1, 2]) {
    await seed.putSite(siteRow(n));
    await seed.putNode(nodeRow(n, n));
    await store.storeReports([report(n, 1, { report: nodeState(n, 1) })]);
  }
  for (const n of rollouts) {
    await store.createRollouts({ fence: person, rows: [rolloutRow(n, [1, 2])], events: [] });
    await store.saveRolloutStep({
      id: rolloutId(n),
      fence: person,
      expectedVersion: 1,
      now: start,
      state: { phase: "running", wave: 0, step: "updating" },
      rolloutEpoch: 1,
      accepted: { failed: 0, silent: 0 },
      sites: [1, 2].map((s) => ({ site: siteId(s), state: "ready" as const, because: [] })),
      settled: [],
      siteReleases: [],
      dirtySites: [],
      events: [],
    });
  }
  const term = await store.holdLease({ name: "grants", holder: "a", now: start, ttlMs: 60_000 });
  if (term === null) throw new Error("the lease is taken");
  return term;
}

function decider(requests: readonly PendingGrantRequest[], seen: GrantFacts[] = []) {
  let made = 0;
  return (facts: GrantFacts) => {
    seen.push(facts);
    return decideGrants(facts, requests, {
      now: start + 5,
      localTime: () => null,
      newId: () => {
        made += 1;
        return GrantId.parse(`g-new${made}${requests[0]?.key ?? ""}`);
      },
    });
  };
}

async function ask(under: StoreUnderTest, term: number, requests: readonly PendingGrantRequest[]) {
  const seen: GrantFacts[] = [];
  const batch = { term, requests, now: start + 5 };
  const decisions = await under.store.decideGrants(batch, decider(requests, seen));
  return { decisions, facts: seen[0] };
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of rules, each short
export function grantRules(open: () => Promise<StoreUnderTest>): void {
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of rules, each short
  describe("grants", () => {
    it("are stored open, one per rollout and node, and a second request renews the same one", async () => {
      const under = await open();
      const term = await ready(under);
      const first = await ask(under, term, [request("one", 1, [1])]);
      expect(first.decisions[0]).toMatchObject({ outcome: "granted" });
      const second = await ask(under, term, [request("two", 1, [1])]);
      expect(second.facts?.openGrants).toHaveLength(1);
      expect(second.decisions[0]).toMatchObject({
        outcome: "granted",
        rows: [{ id: "g-new1one", renewal: true }],
      });
      const third = await ask(under, term, [request("three", 2, [2])]);
      expect(third.facts?.openGrants).toHaveLength(1);
      const facts = await under.store.rolloutFacts(rolloutId(1));
      const grant = facts?.sites.find((s) => s.site === siteId(1))?.nodes[0]?.grant;
      expect(grant).toEqual({
        id: "g-new1one",
        grantedAt: start + 5,
        rolloutEpoch: 1,
        outcome: null,
      });
    });

    it("are refused to a decider whose lease term is not the newest", async () => {
      const under = await open();
      const term = await ready(under);
      await under.store.holdLease({ name: "grants", holder: "b", now: start + 60_001, ttlMs: 9 });
      await expect(ask(under, term, [request("late", 1, [1])])).rejects.toMatchObject({
        code: "lease-lost",
      });
      const facts = await under.store.rolloutFacts(rolloutId(1));
      expect(facts?.sites.flatMap((s) => s.nodes.map((n) => n.grant))).toEqual([null, null]);
    });

    it("see the halt that was committed before them", async () => {
      const under = await open();
      const term = await ready(under);
      await under.store.saveRolloutStep({
        id: rolloutId(1),
        fence: person,
        expectedVersion: 2,
        now: start,
        state: { phase: "halted", wave: 0, by: "ada", because: ["enough"] },
        rolloutEpoch: 2,
        accepted: { failed: 0, silent: 0 },
        sites: [],
        settled: [],
        siteReleases: [],
        dirtySites: [],
        events: [],
      });
      const { decisions } = await ask(under, term, [request("after", 1, [1])]);
      expect(decisions).toMatchObject([{ outcome: "denied" }]);
      expect((await under.probe.events()).some((e) => e.what === "grant denied")).toBe(true);
    });

    it("stay open until they are settled, and a renewed one is not settled by older facts", async () => {
      const under = await open();
      const term = await ready(under);
      await ask(under, term, [request("one", 1, [1])]);
      const settle = (expectedVersion: number, grantedAt: number) =>
        under.store.saveRolloutStep({
          id: rolloutId(1),
          fence: person,
          expectedVersion,
          now: start,
          state: { phase: "cancelled", by: "ada", because: ["over"] },
          rolloutEpoch: 2,
          accepted: { failed: 0, silent: 0 },
          sites: [],
          settled: [{ node: nodeId(1), grantedAt, outcome: "committed" }],
          siteReleases: [],
          dirtySites: [],
          events: [],
        });
      await settle(2, start + 4);
      expect(await under.store.activeRollouts()).toEqual([rolloutId(1)]);
      await settle(3, start + 5);
      expect(await under.store.activeRollouts()).toEqual([]);
    });

    it("for another rollout end as unused when the node is granted anew", async () => {
      const under = await open();
      const term = await ready(under, [1, 2]);
      await ask(under, term, [request("one", 1, [1])]);
      const { decisions } = await ask(under, term, [
        request("two", 1, [1], { rolloutId: rolloutId(2) }),
      ]);
      expect(decisions).toMatchObject([{ outcome: "granted" }]);
      const old = await under.store.rolloutFacts(rolloutId(1));
      expect(old?.sites.find((s) => s.site === siteId(1))?.nodes[0]?.grant?.outcome).toBe("unused");
    });

    it("end with the event that names them, whatever the node's later states say", async () => {
      const under = await open();
      const term = await ready(under);
      await ask(under, term, [request("one", 1, [1])]);
      const event = {
        kind: "node-event" as const,
        node: nodeId(1),
        event: "inconclusive" as const,
        imageId: release(2).imageId,
        rolloutId: rolloutId(1),
        because: [],
      };
      const outcome = async () =>
        (await under.store.rolloutFacts(rolloutId(1)))?.sites.find((s) => s.site === siteId(1))
          ?.nodes[0]?.grant?.outcome;
      const other = GrantId.parse("g-other");
      await under.store.storeReports([report(1, 2, { report: { ...event, grantId: other } })]);
      expect(await outcome()).toBeNull();
      const grantId = GrantId.parse("g-new1one");
      await under.store.storeReports([
        report(1, 3, { report: { ...event, grantId } }),
        report(1, 4, { report: nodeState(1, 1) }),
      ]);
      expect(await outcome()).toBe("inconclusive");
    });

    it("count as silent once they are older than the rollout allows", async () => {
      const under = await open();
      const term = await ready(under);
      await ask(under, term, [request("one", 1, [1])]);
      const silentAt = async (now: number) => {
        const seen: GrantFacts[] = [];
        const requests = [request("two", 2, [2])];
        const deny = (facts: GrantFacts) => {
          seen.push(facts);
          return requests.map(({ key }) => ({
            key,
            outcome: "denied" as const,
            retryAfterMs: 1,
            because: [],
          }));
        };
        await under.store.decideGrants({ term, requests, now }, deny);
        return seen[0]?.openGrants.map((grant) => grant.silent);
      };
      expect(await silentAt(start + 5 + 3_600_000)).toEqual([false]);
      expect(await silentAt(start + 6 + 3_600_000)).toEqual([true]);
    });

    it("are known as armed from the node's own reports", async () => {
      const under = await open();
      const term = await ready(under);
      await ask(under, term, [request("one", 1, [1])]);
      const { imageId } = release(2);
      const update = { phase: "trial", imageId, rolloutId: rolloutId(1) } as const;
      await under.store.storeReports([report(1, 2, { report: nodeState(1, 1, update) })]);
      const { facts, decisions } = await ask(under, term, [request("two", 1, [1])]);
      expect(facts?.earlierGrants).toMatchObject([{ armed: true, outcome: null }]);
      expect(decisions).toMatchObject([{ outcome: "denied" }]);
    });
  });
}
