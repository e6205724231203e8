// Desired documents and their outbox in the in-memory store. A document and its outbox row are one write.
import type { SiteId } from "@drover/shared/ids";
import type { NodeDesired } from "@drover/shared/messages/desired";
import type { z } from "zod";
import type { SiteDesiredFacts, SiteRollout } from "../../core/assignment/facts.ts";
import { UnknownSubjectError, VersionConflictError } from "../../loops/errors.ts";
import type { DesiredStore, DesiredWrite, OutboxStore } from "../../loops/ports.ts";
import { checkFence } from "./fences.ts";
import { nodesOfSite, type SiteRecord, type Tables } from "./tables.ts";

export function desiredStore(tables: Tables): DesiredStore {
  return {
    dirtySites: async ({ issuedBefore, limit }) =>
      [...tables.sites.values()]
        .filter((s) => s.dirtySince !== null || (s.desired?.issuedAt ?? Infinity) < issuedBefore)
        .sort((a, b) => (a.dirtySince ?? Infinity) - (b.dirtySince ?? Infinity))
        .slice(0, limit)
        .map((s) => s.row.id),
    siteDesiredFacts: async (id) => {
      const site = tables.sites.get(id);
      return site === undefined ? null : factsOf(tables, site);
    },
    saveDesired: async (write) => saveDesired(tables, write),
    clearDirty: async (id, dirtySeq) => {
      const site = tables.sites.get(id);
      if (site?.dirtySeq === dirtySeq) site.dirtySince = null;
    },
  };
}

function factsOf(tables: Tables, site: SiteRecord): SiteDesiredFacts {
  const nodes = nodesOfSite(tables, site.row.id);
  const classes = new Set(
    nodes.flatMap((node) => (node.row.class === null ? [] : [node.row.class])),
  );
  return {
    site: site.row.id,
    status: site.row.status,
    policy: site.row.policy,
    nodes: nodes.map(({ row }): z.infer<typeof NodeDesired> => {
      const { id, macs, class: nodeClass, install, hold, refusalsCleared } = row;
      return { id, macs: [...macs], class: nodeClass, install, hold, refusalsCleared };
    }),
    classes: [...classes].flatMap((name) => {
      const row = tables.classes.get(name);
      if (row === undefined) return [];
      const { minimum, withdrawn, procedure } = row;
      const committed = site.committed.get(name) ?? row.release;
      return [{ name, committed, minimum, withdrawn, procedure }];
    }),
    rollouts: siteRollouts(tables, site.row.id),
    metadata: { rootVersion: 1, releases: {} },
    stored: site.desired,
    reportedGeneration: site.reportedGeneration,
    adoptedGeneration: site.adoptedGeneration,
    dirtySeq: site.dirtySeq,
    frozen: tables.frozen,
  };
}

function siteRollouts(tables: Tables, site: SiteId): SiteRollout[] {
  const granted = new Set(
    [...tables.grants.values()].filter((g) => g.site === site).map((g) => g.rolloutId),
  );
  return [...tables.rollouts.values()].flatMap(({ head, members }) => {
    const member = members.get(site);
    const { phase } = head.state;
    if (member === undefined || phase === "draft" || phase === "awaiting-approval") return [];
    const { id: rolloutId, rolloutEpoch, createdAt, releases } = head;
    const touched = granted.has(rolloutId);
    return [
      { rolloutId, rolloutEpoch, createdAt, phase, releases, siteState: member.state, touched },
    ];
  });
}

function saveDesired(tables: Tables, write: DesiredWrite): void {
  checkFence(tables, write.fence);
  const site = tables.sites.get(write.site);
  if (site === undefined) throw new UnknownSubjectError(`site ${write.site}`);
  const stored = site.desired?.generation ?? 0;
  if (stored !== write.expectedGeneration) {
    throw new VersionConflictError(
      `desired state of ${write.site}`,
      write.expectedGeneration,
      stored,
    );
  }
  const { generation, issuedAt, content, because } = write;
  site.desired = { generation, issuedAt, content };
  if (site.dirtySeq === write.dirtySeq) site.dirtySince = null;
  const last = tables.outbox.at(-1)?.id ?? 0;
  tables.outbox.push({ id: last + 1, site: write.site, body: write.body, published: false });
  tables.events.push({
    at: issuedAt,
    site: write.site,
    rolloutId: null,
    what: "desired state issued",
    because,
  });
}

export function outboxStore(tables: Tables): OutboxStore {
  return {
    unpublished: async (limit) =>
      tables.outbox
        .filter((row) => !row.published)
        .slice(0, limit)
        .map(({ id, site, body }) => ({ id, site, body })),
    markPublished: async ({ fence, ids }) => {
      checkFence(tables, fence);
      for (const row of tables.outbox) if (ids.includes(row.id)) row.published = true;
    },
    republishAll: async () => {
      const newest = new Map<SiteId, (typeof tables.outbox)[number]>();
      for (const row of tables.outbox) newest.set(row.site, row);
      for (const row of newest.values()) row.published = false;
      return newest.size;
    },
  };
}
