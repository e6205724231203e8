// Rules of the store for reports and beats: stored once, applied only where newer, acknowledged to the
// first gap, counted in the same transaction.
import { describe, expect, it } from "vitest";
import {
  classRow,
  nodeId,
  nodeRow,
  nodeState,
  outboxId,
  release,
  report,
  rolloutId,
  rolloutRow,
  siteId,
  siteRow,
  start,
} from "./samples.ts";
import type { StoreUnderTest } from "./seed.ts";

async function withNode({ seed, store }: StoreUnderTest): Promise<void> {
  await seed.putClass(classRow());
  await seed.putSite(siteRow(1));
  await seed.putSite(siteRow(2, { hollow: true }));
  await seed.putNode(nodeRow(1, 1));
  await seed.putNode(nodeRow(2, 2));
  const fence = { kind: "person", by: "ada" } as const;
  await store.createRollouts({ fence, rows: [rolloutRow(1, [1, 2])], events: [] });
}

const ackOf = (upToSeq: number, outbox = 1) => ({
  site: siteId(1),
  ack: { outboxId: outboxId(outbox), upToSeq },
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of rules, each short
export function reportRules(open: () => Promise<StoreUnderTest>): void {
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of rules, each short
  describe("reports", () => {
    it("are acknowledged up to the first gap and no further", async () => {
      const under = await open();
      await withNode(under);
      const first = await under.store.storeReports([report(1, 2), report(1, 1), report(1, 4)]);
      expect(first).toMatchObject({ acks: [ackOf(2)], stored: 3, duplicates: 0 });
      const second = await under.store.storeReports([report(1, 3)]);
      expect(second.acks).toEqual([ackOf(4)]);
      expect(await under.probe.reportSeqs(siteId(1), outboxId(1))).toEqual([1, 2, 3, 4]);
    });

    it("are stored once by site, outbox and seq, however often they come", async () => {
      const under = await open();
      await withNode(under);
      await under.store.storeReports([report(1, 1)]);
      const again = await under.store.storeReports([report(1, 1), report(1, 1), report(1, 2)]);
      expect(again).toMatchObject({ acks: [ackOf(2)], stored: 1, duplicates: 2 });
      expect(await under.probe.reportSeqs(siteId(1), outboxId(1))).toEqual([1, 2]);
    });

    it("change the node's state only when they are newer, a later outbox being newer than any seq", async () => {
      const under = await open();
      await withNode(under);
      const running = async () =>
        (await under.store.rolloutFacts(rolloutId(1)))?.sites.find((s) => s.site === siteId(1))
          ?.nodes[0]?.running;
      await under.store.storeReports([
        report(1, 5, { report: nodeState(1, 3) }),
        report(1, 4, { report: nodeState(1, 2) }),
      ]);
      expect(await running()).toBe(release(3).imageId);
      const change = { outboxId: outboxId(2), report: nodeState(1, 4) };
      await under.store.storeReports([report(1, 1, change)]);
      await under.store.storeReports([report(1, 6, { report: nodeState(1, 5) })]);
      expect(await running()).toBe(release(4).imageId);
    });

    it("move the counts along, hollow and real apart", async () => {
      const under = await open();
      await withNode(under);
      await under.store.storeReports([report(1, 1), report(2, 1, { report: nodeState(2, 1) })]);
      await under.store.storeReports([report(1, 2, { report: nodeState(1, 2) })]);
      const counts = await under.probe.nodeCounts();
      expect(counts.toSorted((a, b) => Number(a.hollow) - Number(b.hollow))).toEqual([
        { hollow: false, imageId: release(2).imageId, nodes: 1 },
        { hollow: true, imageId: release(1).imageId, nodes: 1 },
      ]);
    });

    it("that could not be read keep their place, so that the site need not send them again", async () => {
      const under = await open();
      await withNode(under);
      const position = { outboxId: outboxId(1), seq: 1 };
      const rejected = {
        outcome: "rejected",
        site: siteId(1),
        receivedAt: start,
        reason: "malformed",
        sample: "{",
      } as const;
      const result = await under.store.storeReports([
        { ...rejected, position },
        { ...rejected, position: null },
        report(1, 2),
      ]);
      expect(result).toMatchObject({ acks: [ackOf(2)], rejected: 2 });
    });

    it("about a node of another site change nothing and keep their place", async () => {
      const under = await open();
      await withNode(under);
      const result = await under.store.storeReports([report(1, 1, { report: nodeState(2, 9) })]);
      expect(result).toMatchObject({ acks: [ackOf(1)], rejected: 1 });
      const facts = await under.store.rolloutFacts(rolloutId(1));
      expect(facts?.sites.flatMap((s) => s.nodes.map((n) => n.running))).toEqual([null, null]);
    });

    it("that the site no longer keeps do not hold up the rest", async () => {
      const under = await open();
      await withNode(under);
      await under.store.storeReports([report(1, 1)]);
      const result = await under.store.storeReports([report(1, 51, { oldestSeq: 51 })]);
      expect(result.acks).toEqual([ackOf(51)]);
      expect((await under.probe.events()).some((e) => e.what === "reports lost")).toBe(true);
    });

    it("of an unknown site are kept as rejected and acknowledge nothing", async () => {
      const under = await open();
      await withNode(under);
      const result = await under.store.storeReports([report(9, 1)]);
      expect(result).toMatchObject({ acks: [], stored: 0, rejected: 1 });
    });

    it("carry events into the timeline with their reasons", async () => {
      const under = await open();
      await withNode(under);
      const event = {
        kind: "node-event",
        node: nodeId(1),
        event: "fell-back",
        imageId: release(2).imageId,
        rolloutId: rolloutId(1),
        grantId: null,
        because: ["the loader came back"],
      } as const;
      await under.store.storeReports([
        report(1, 1, { report: { ...event, because: [...event.because] } }),
      ]);
      const events = await under.probe.events();
      expect(events).toContainEqual({
        at: start + 1,
        site: siteId(1),
        rolloutId: rolloutId(1),
        what: "fell-back",
        because: ["the loader came back"],
      });
    });
  });

  describe("beats", () => {
    it("only move the time a site was heard forward", async () => {
      const under = await open();
      await withNode(under);
      const beat = {
        generation: 0,
        outboxId: outboxId(1),
        backlog: 0,
        agentVersion: "0.1.0",
        accepts: { min: 1, max: 1 },
      };
      await under.store.storeBeats([{ site: siteId(1), heardAt: start + 9, beat }]);
      await under.store.storeBeats([
        { site: siteId(1), heardAt: start + 5, beat },
        { site: siteId(77), heardAt: start, beat },
      ]);
      expect(await under.probe.heardAt(siteId(1))).toBe(start + 9);
      expect(await under.probe.heardAt(siteId(2))).toBeNull();
    });
  });
}
