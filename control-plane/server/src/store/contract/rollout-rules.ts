// Rules of the store for leases and rollouts: one leader at a time, stale terms and stale versions
// change nothing.
import { describe, expect, it } from "vitest";
import type { RolloutWrite } from "../../loops/ports.ts";
import {
  classRow,
  nodeId,
  nodeRow,
  release,
  rolloutId,
  rolloutRow,
  siteId,
  siteRow,
  start,
  till,
} from "./samples.ts";
import type { StoreUnderTest } from "./seed.ts";

const person = { kind: "person", by: "ada" } as const;

function write(change: Partial<RolloutWrite> = {}): RolloutWrite {
  return {
    id: rolloutId(1),
    fence: person,
    expectedVersion: 1,
    now: start + 10,
    state: { phase: "halted", wave: 0, by: "ada", because: ["enough"] },
    rolloutEpoch: 2,
    accepted: { failed: 0, silent: 0 },
    sites: [],
    settled: [],
    siteReleases: [],
    dirtySites: [],
    events: [],
    ...change,
  };
}

async function withRollout({ seed, store }: StoreUnderTest): Promise<void> {
  await seed.putClass(classRow());
  await seed.putSite(siteRow(1));
  await seed.putNode(nodeRow(1, 1));
  await store.createRollouts({ fence: person, rows: [rolloutRow(1, [1])], events: [] });
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of rules, each short
export function rolloutRules(open: () => Promise<StoreUnderTest>): void {
  describe("leases", () => {
    it("give one holder one term until they expire, and the next holder a higher one", async () => {
      const { store } = await open();
      const hold = (holder: string, now: number) =>
        store.holdLease({ name: "rollouts", holder, now, ttlMs: 1000 });
      expect(await hold("a", start)).toBe(1);
      expect(await hold("b", start + 1)).toBeNull();
      expect(await hold("a", start + 900)).toBe(1);
      expect(await hold("b", start + 1900)).toBe(2);
      expect(await hold("a", start + 1901)).toBeNull();
      await store.releaseLease({ name: "rollouts", holder: "b" });
      expect(await hold("a", start + 1902)).toBe(3);
    });
  });

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of rules, each short
  describe("rollouts", () => {
    it("are stored with their members waiting, and are active while they can move", async () => {
      const under = await open();
      await withRollout(under);
      expect(await under.store.activeRollouts()).toEqual([rolloutId(1)]);
      const facts = await under.store.rolloutFacts(rolloutId(1));
      expect(facts?.head).toEqual(rolloutRow(1, [1]).head);
      expect(facts?.sites).toHaveLength(1);
      expect(facts?.sites[0]).toMatchObject({
        site: siteId(1),
        wave: 0,
        state: "waiting",
        committed: { [till]: release(1) },
        document: null,
        nodes: [{ id: nodeId(1), running: null, grant: null }],
      });
      expect(await under.store.rolloutHead(rolloutId(9))).toBeNull();
    });

    it("change wholly: state, epoch, sites, releases, dirty marks and events in one write", async () => {
      const under = await open();
      await withRollout(under);
      const [site] = await under.store.dirtySites({ issuedBefore: 0, limit: 9 });
      expect(site).toBe(siteId(1));
      const facts = await under.store.siteDesiredFacts(siteId(1));
      await under.store.clearDirty(siteId(1), facts?.dirtySeq ?? -1);
      await under.store.saveRolloutStep(
        write({
          sites: [{ site: siteId(1), state: "committed", because: ["all run it"] }],
          siteReleases: [{ site: siteId(1), class: till, release: release(2) }],
          dirtySites: "members",
          events: [
            {
              at: start,
              site: null,
              rolloutId: rolloutId(1),
              what: "rollout moved",
              because: ["why"],
            },
          ],
        }),
      );
      const after = await under.store.rolloutFacts(rolloutId(1));
      expect(after?.head).toMatchObject({
        rolloutEpoch: 2,
        version: 2,
        state: { phase: "halted" },
      });
      expect(after?.sites[0]).toMatchObject({
        state: "committed",
        committed: { [till]: release(2) },
      });
      expect(await under.store.dirtySites({ issuedBefore: 0, limit: 9 })).toEqual([siteId(1)]);
      const events = await under.probe.events();
      expect(events.some((e) => e.what === "rollout moved" && e.because[0] === "why")).toBe(true);
    });

    it("refuse a write on an older version or under an older term, and keep what they had", async () => {
      const under = await open();
      await withRollout(under);
      await under.store.saveRolloutStep(write());
      await expect(under.store.saveRolloutStep(write())).rejects.toMatchObject({
        code: "version-conflict",
      });
      const held = { name: "rollouts", now: start, ttlMs: 10 } as const;
      await under.store.holdLease({ ...held, holder: "a" });
      await under.store.holdLease({ ...held, holder: "b", now: start + 20 });
      const fence = { kind: "loop", lease: "rollouts", term: 1 } as const;
      await expect(
        under.store.saveRolloutStep(write({ fence, expectedVersion: 2, rolloutEpoch: 9 })),
      ).rejects.toMatchObject({ code: "lease-lost" });
      expect(await under.store.rolloutHead(rolloutId(1))).toMatchObject({
        rolloutEpoch: 2,
        version: 2,
      });
    });

    it("are rolled back once: a second way back for the same rollout is not stored", async () => {
      const under = await open();
      await withRollout(under);
      const back = (n: number) => ({
        fence: person,
        rows: [rolloutRow(n, [1], { release: 1, rollsBack: 1 })],
        events: [],
      });
      expect(await under.store.createRollouts(back(2))).toBe(true);
      expect(await under.store.createRollouts(back(3))).toBe(false);
      expect(await under.store.rolloutHead(rolloutId(3))).toBeNull();
      expect(await under.store.rolloutHead(rolloutId(1))).toMatchObject({ rolledBack: true });
    });
  });
}
