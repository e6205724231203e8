// Rules of the store for desired documents: document and outbox row together, marks that survive a
// race, and a wiped bus filled again.
import { describe, expect, it } from "vitest";
import { desiredContent } from "../../core/assignment/desired.ts";
import type { DesiredWrite } from "../../loops/ports.ts";
import { classRow, nodeRow, release, report, siteId, siteRow, start, till } from "./samples.ts";
import type { StoreUnderTest } from "./seed.ts";

const envelope = {
  payloadType: "application/vnd.drover.desired.v1+json",
  payload: "e30=",
  signatures: [{ keyid: "k", sig: "c2ln" }],
};

async function withSite({ seed }: StoreUnderTest): Promise<void> {
  await seed.putClass(classRow());
  await seed.putSite(siteRow(1));
  await seed.putNode(nodeRow(1, 1));
}

async function nextWrite(
  { store }: StoreUnderTest,
  change: Partial<DesiredWrite> = {},
): Promise<DesiredWrite> {
  const facts = await store.siteDesiredFacts(siteId(1));
  if (facts === null) throw new Error("the site is missing");
  const generation = (facts.stored?.generation ?? 0) + 1;
  return {
    fence: { kind: "person", by: "ada" },
    site: siteId(1),
    expectedGeneration: generation - 1,
    generation,
    content: desiredContent(facts).content,
    issuedAt: start,
    body: { generation, document: envelope },
    dirtySeq: facts.dirtySeq,
    because: ["first document"],
    ...change,
  };
}

export function desiredRules(open: () => Promise<StoreUnderTest>): void {
  describe("desired documents", () => {
    it("are stored with their outbox row, and the mark goes away", async () => {
      const under = await open();
      await withSite(under);
      await under.store.saveDesired(await nextWrite(under));
      expect(await under.store.dirtySites({ issuedBefore: start, limit: 9 })).toEqual([]);
      const rows = await under.store.unpublished(9);
      expect(rows.map(({ site, body }) => [site, body.generation])).toEqual([[siteId(1), 1]]);
      const facts = await under.store.siteDesiredFacts(siteId(1));
      expect(facts?.stored).toMatchObject({ generation: 1, issuedAt: start });
      expect(facts?.stored?.content.classes[till]?.committed).toEqual(release(1));
      expect(await under.store.dirtySites({ issuedBefore: start + 1, limit: 9 })).toEqual([
        siteId(1),
      ]);
    });

    it("keep the mark when the site was marked again since it was read", async () => {
      const under = await open();
      await withSite(under);
      const write = await nextWrite(under);
      await under.seed.markDirty(siteId(1));
      await under.store.saveDesired(write);
      expect(await under.store.dirtySites({ issuedBefore: 0, limit: 9 })).toEqual([siteId(1)]);
      await under.store.clearDirty(siteId(1), write.dirtySeq);
      expect(await under.store.dirtySites({ issuedBefore: 0, limit: 9 })).toEqual([siteId(1)]);
    });

    it("are never stored twice for one generation", async () => {
      const under = await open();
      await withSite(under);
      const write = await nextWrite(under);
      await under.store.saveDesired(write);
      await expect(under.store.saveDesired(write)).rejects.toMatchObject({
        code: "version-conflict",
      });
      expect(await under.store.unpublished(9)).toHaveLength(1);
    });

    it("go out once when marked published, and all again when the bus was wiped", async () => {
      const under = await open();
      await withSite(under);
      await under.store.saveDesired(await nextWrite(under));
      await under.store.saveDesired(await nextWrite(under));
      const ids = (await under.store.unpublished(9)).map((row) => row.id);
      expect(ids).toHaveLength(2);
      await under.store.markPublished({ fence: { kind: "person", by: "ada" }, ids, at: start });
      expect(await under.store.unpublished(9)).toEqual([]);
      expect(await under.store.republishAll()).toBe(1);
      expect((await under.store.unpublished(9)).map((row) => row.body.generation)).toEqual([2]);
    });
  });

  describe("a site ahead of the database", () => {
    it("counts as ahead until a person unfreezes the fleet, and is then marked", async () => {
      const under = await open();
      await withSite(under);
      await under.store.saveDesired(await nextWrite(under));
      const { adopted } = await under.store.storeReports([report(1, 1, { generation: 7 })]);
      expect(adopted).toEqual([{ site: siteId(1), generation: 7 }]);
      expect(await under.store.restoreFigures()).toEqual({ activeSites: 1, aheadSites: 1 });
      const change = { now: start, by: "ada", because: ["looked"] };
      await under.store.setFrozen({ ...change, frozen: true });
      expect(await under.store.frozen()).toBe(true);
      expect((await under.store.siteDesiredFacts(siteId(1)))?.frozen).toBe(true);
      await under.store.setFrozen({ ...change, frozen: false });
      expect(await under.store.restoreFigures()).toEqual({ activeSites: 1, aheadSites: 0 });
      const facts = await under.store.siteDesiredFacts(siteId(1));
      expect(facts).toMatchObject({ reportedGeneration: 7, adoptedGeneration: 7, frozen: false });
      expect(await under.store.dirtySites({ issuedBefore: 0, limit: 9 })).toEqual([siteId(1)]);
    });
  });
}
