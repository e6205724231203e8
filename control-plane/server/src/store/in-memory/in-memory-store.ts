// A store that keeps everything in memory, for tests and the simulation. It passes the same contract
// suite as the database; each method is one transaction, for nothing else runs between its checks and its writes.

import type { ImageId } from "@drover/shared/ids";
import type { FleetStore, LoopStore } from "../../loops/ports.ts";
import type { StoreProbe, StoreSeed, StoreUnderTest } from "../contract/seed.ts";
import { desiredStore, outboxStore } from "./desired.ts";
import { leaseStore } from "./fences.ts";
import { grantStore } from "./grants.ts";
import { beatStore, moveCount, reportStore } from "./reports.ts";
import { rolloutStore } from "./rollouts.ts";
import { emptyTables, isSiteAhead, markDirty, outboxKey, type Tables } from "./tables.ts";

export interface InMemoryStore extends StoreUnderTest {
  /** The committed state itself, for invariants over everything. */
  readonly tables: Tables;
}

export function inMemoryStore(): InMemoryStore {
  const tables = emptyTables();
  const store: LoopStore = {
    ...leaseStore(tables),
    ...rolloutStore(tables),
    ...desiredStore(tables),
    ...outboxStore(tables),
    ...reportStore(tables),
    ...beatStore(tables),
    ...grantStore(tables),
    ...fleetStore(tables),
  };
  return { store, seed: seedOf(tables), probe: probeOf(tables), tables, close: async () => {} };
}

function fleetStore(tables: Tables): FleetStore {
  return {
    frozen: async () => tables.frozen,
    setFrozen: async ({ frozen, now, by, because }) => {
      tables.frozen = frozen;
      for (const site of frozen ? [] : tables.sites.values()) {
        if (!isSiteAhead(site)) continue;
        site.adoptedGeneration = site.reportedGeneration;
        markDirty(tables, site);
      }
      const what = frozen ? "fleet frozen" : "fleet unfrozen";
      const reasons = [`by ${by}`, ...because];
      tables.events.push({ at: now, site: null, rolloutId: null, what, because: reasons });
    },
    restoreFigures: async () => {
      const sites = [...tables.sites.values()].filter((s) => s.row.status === "active");
      const ahead = sites.filter(isSiteAhead);
      return { activeSites: sites.length, aheadSites: ahead.length };
    },
  };
}

function seedOf(tables: Tables): StoreSeed {
  const touch = (id: typeof tables.sites extends Map<infer K, unknown> ? K : never) => {
    const site = tables.sites.get(id);
    if (site !== undefined) markDirty(tables, site);
  };
  return {
    putSite: async (row) => {
      const known = tables.sites.get(row.id);
      if (known === undefined) {
        tables.sites.set(row.id, {
          row,
          heardAt: null,
          reportedGeneration: 0,
          adoptedGeneration: 0,
          dirtySeq: 0,
          dirtySince: null,
          desired: null,
          committed: new Map(),
        });
      } else known.row = row;
      touch(row.id);
    },
    putNode: async (row) => {
      const known = tables.nodes.get(row.id);
      if (known === undefined) {
        tables.nodes.set(row.id, {
          row,
          state: null,
          model: "",
          stateOrder: [0, 0],
          reportGeneration: 0,
          reportedAt: null,
        });
        const site = tables.sites.get(row.site);
        if (site !== undefined) moveCount(tables, site, null, 1);
      } else known.row = row;
      touch(row.site);
    },
    putClass: async (row) => {
      tables.classes.set(row.name, row);
      for (const id of tables.sites.keys()) touch(id);
    },
    markDirty: async (id) => touch(id),
  };
}

function probeOf(tables: Tables): StoreProbe {
  return {
    events: async () => [...tables.events],
    nodeCounts: async () =>
      [...tables.nodeCounts].map(([key, nodes]) => {
        const [kind, image] = key.split(" ");
        return { hollow: kind === "hollow", imageId: image ? (image as ImageId) : null, nodes };
      }),
    heardAt: async (site) => tables.sites.get(site)?.heardAt ?? null,
    reportSeqs: async (site, outboxId) =>
      [...(tables.reports.get(outboxKey(site, outboxId))?.reports.keys() ?? [])].sort(
        (a, b) => a - b,
      ),
  };
}
