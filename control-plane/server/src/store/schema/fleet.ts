// Tables of sites, nodes and classes: what people asked for, apart from what was reported.
import type { NodeClass, SiteId } from "@drover/shared/ids";
import type { DesiredBody } from "@drover/shared/messages/desired";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { SitePolicy } from "@drover/shared/site/policy";
import type { DiskLayoutSizes } from "@drover/shared/site/procedure";
import type { Labels } from "@drover/shared/site/site";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import {
  bigint,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
} from "drizzle-orm/pg-core";
import type { DesiredContent } from "../../core/assignment/facts.ts";

const epochMs = () => bigint({ mode: "number" });

export const sites = pgTable(
  "sites",
  {
    id: text().$type<SiteId>().primaryKey(),
    name: text().notNull(),
    region: text().notNull(),
    latitude: doublePrecision(),
    longitude: doublePrecision(),
    timeZone: text().notNull(),
    labels: jsonb().$type<Labels>().notNull(),
    class: text().notNull(),
    pair: text().$type<SiteId>(),
    hollow: boolean().notNull(),
    status: text().$type<"active" | "quarantined" | "decommissioned">().notNull(),
    policy: jsonb().$type<SitePolicy>().notNull(),
    /** Public nkey bound at enrolment. */
    nkey: text().unique(),
    enrolledAt: epochMs(),
    createdAt: epochMs().notNull(),
  },
  (table) => [index().on(table.region)],
);

/** Gives marks their order over all sites. */
export const dirtyMarks = pgSequence("dirty_marks");

/** What was last issued to a site, and whether somebody should look again. */
export const siteDesired = pgTable(
  "site_desired",
  {
    site: text().$type<SiteId>().primaryKey(),
    generation: bigint({ mode: "number" }).notNull().default(0),
    issuedAt: epochMs(),
    content: jsonb().$type<DesiredContent>(),
    body: jsonb().$type<DesiredBody>(),
    reportedGeneration: bigint({ mode: "number" }).notNull().default(0),
    /** Highest reported generation that a person accepted by unfreezing the fleet. */
    adoptedGeneration: bigint({ mode: "number" }).notNull().default(0),
    dirtySeq: bigint({ mode: "number" }).notNull().default(0),
    /** Order of the marks; null = nothing to look at. */
    dirtyMark: bigint({ mode: "number" }),
    because: jsonb().$type<string[]>().notNull().default([]),
  },
  (table) => [index().on(table.dirtyMark), index().on(table.issuedAt)],
);

export const nodes = pgTable(
  "nodes",
  {
    id: text().primaryKey(),
    site: text()
      .notNull()
      .references(() => sites.id),
    class: text().$type<NodeClass>(),
    hold: boolean().notNull().default(false),
    installSerial: integer().notNull().default(0),
    installIssuedAt: epochMs(),
    refusalsCleared: integer().notNull().default(0),
    createdAt: epochMs().notNull(),
  },
  (table) => [index().on(table.site)],
);

/** One network address belongs to one node of the whole fleet. */
export const nodeMacs = pgTable(
  "node_macs",
  {
    mac: text().primaryKey(),
    node: text()
      .notNull()
      .references(() => nodes.id),
    position: integer().notNull(),
  },
  (table) => [index().on(table.node)],
);

export const classes = pgTable("classes", {
  name: text().$type<NodeClass>().primaryKey(),
  release: jsonb().$type<ReleaseRef>(),
  minimum: integer().notNull().default(0),
  withdrawn: jsonb().$type<{ imageId: string; reason: string }[]>().notNull().default([]),
  sizes: jsonb().$type<DiskLayoutSizes>().notNull(),
  procedure: jsonb().$type<DsseEnvelope>(),
  procedureSerial: integer().notNull().default(0),
});

/** The site's committed release per class of node. */
export const siteReleases = pgTable(
  "site_releases",
  {
    site: text().$type<SiteId>().notNull(),
    class: text().$type<NodeClass>().notNull(),
    release: jsonb().$type<ReleaseRef>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.site, table.class] })],
);

/** One row: what holds for the whole fleet. */
export const fleet = pgTable("fleet", {
  one: boolean().primaryKey().default(true),
  frozen: boolean().notNull().default(false),
  because: jsonb().$type<string[]>().notNull().default([]),
});
