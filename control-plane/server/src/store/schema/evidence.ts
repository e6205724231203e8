// Tables of what sites said: one slim row per report, the newest state per node and site, counts kept in
// the same transaction, and the timeline with its reasons.
import type { NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { VersionRange } from "@drover/shared/messages/envelope";
import type { NodeFacts } from "@drover/shared/node/facts";
import type { SlotTable } from "@drover/shared/node/slot";
import type { Refusal, UpdateReport } from "@drover/shared/node/update-state";
import {
  bigint,
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from "drizzle-orm/pg-core";

const epochMs = () => bigint({ mode: "number" });

/** Outboxes of a site in the order they were first seen: a newer one outranks all before it. */
export const outboxes = pgTable(
  "outboxes",
  {
    site: text().$type<SiteId>().notNull(),
    outboxId: text().notNull(),
    ordinal: integer().notNull(),
    upToSeq: bigint({ mode: "number" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.site, table.outboxId] })],
);

export const reports = pgTable(
  "reports",
  {
    site: text().$type<SiteId>().notNull(),
    outboxId: text().notNull(),
    seq: bigint({ mode: "number" }).notNull(),
    at: epochMs().notNull(),
    receivedAt: epochMs().notNull(),
    kind: text().notNull(),
    node: text().$type<NodeId>(),
    /** Kept for what happened once; states and health live in their own tables. */
    body: jsonb(),
    rejected: text(),
  },
  (table) => [
    primaryKey({ columns: [table.site, table.outboxId, table.seq] }),
    index().on(table.node, table.receivedAt),
  ],
);

/** Messages that had no readable place in an outbox. */
export const unreadable = pgTable("unreadable", {
  id: bigserial({ mode: "number" }).primaryKey(),
  site: text().$type<SiteId>().notNull(),
  receivedAt: epochMs().notNull(),
  reason: text().notNull(),
  sample: text().notNull(),
});

export const siteState = pgTable("site_state", {
  site: text().$type<SiteId>().primaryKey(),
  heardAt: epochMs(),
  generation: bigint({ mode: "number" }).notNull().default(0),
  backlog: integer().notNull().default(0),
  agentVersion: text(),
  accepts: jsonb().$type<VersionRange>(),
  /** Last site-state report. */
  report: jsonb(),
  reportOrdinal: integer().notNull().default(0),
  reportSeq: bigint({ mode: "number" }).notNull().default(0),
});

export const nodeState = pgTable(
  "node_state",
  {
    node: text().$type<NodeId>().primaryKey(),
    site: text().$type<SiteId>().notNull(),
    running: text(),
    slots: jsonb().$type<SlotTable>(),
    update: jsonb().$type<UpdateReport>(),
    refusals: jsonb().$type<Refusal[]>().notNull().default([]),
    bootId: text(),
    agentVersion: text(),
    reportedAt: epochMs(),
    /** Generation that the site had applied when it wrote the state. */
    reportGeneration: bigint({ mode: "number" }).notNull().default(0),
    stateOrdinal: integer().notNull().default(0),
    stateSeq: bigint({ mode: "number" }).notNull().default(0),
    facts: jsonb().$type<NodeFacts>(),
    factsOrdinal: integer().notNull().default(0),
    factsSeq: bigint({ mode: "number" }).notNull().default(0),
    health: jsonb(),
    healthAt: epochMs(),
    healthOrdinal: integer().notNull().default(0),
    healthSeq: bigint({ mode: "number" }).notNull().default(0),
  },
  (table) => [index().on(table.site)],
);

/** Nodes by running image; the empty image id means that nothing was reported yet. */
export const nodeCounts = pgTable(
  "node_counts",
  {
    hollow: boolean().notNull(),
    imageId: text().notNull(),
    nodes: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.hollow, table.imageId] })],
);

export const events = pgTable(
  "events",
  {
    id: bigserial({ mode: "number" }).primaryKey(),
    at: epochMs().notNull(),
    site: text().$type<SiteId>(),
    node: text().$type<NodeId>(),
    rolloutId: text().$type<RolloutId>(),
    what: text().notNull(),
    because: jsonb().$type<string[]>().notNull(),
  },
  (table) => [
    index().on(table.site, table.id),
    index().on(table.node, table.id),
    index().on(table.rolloutId, table.id),
  ],
);
