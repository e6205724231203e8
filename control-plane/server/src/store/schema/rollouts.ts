// Tables of rollouts, their sites and grants, and what loops need to take turns and to publish.
import type { PlanView } from "@drover/shared/api/rollout-api";
import type { GrantId, ImageId, NodeClass, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { DesiredBody } from "@drover/shared/messages/desired";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutPolicy, Selection } from "@drover/shared/rollout/policy";
import type { RolloutState, SiteInRollout } from "@drover/shared/rollout/state";
import { isNull } from "drizzle-orm";
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
import type { GrantOutcome } from "../../core/rollout/facts.ts";

const epochMs = () => bigint({ mode: "number" });

export const rollouts = pgTable(
  "rollouts",
  {
    id: text().$type<RolloutId>().primaryKey(),
    name: text().notNull(),
    createdAt: epochMs().notNull(),
    createdBy: text().notNull().default(""),
    reason: text().notNull().default(""),
    policy: jsonb().$type<RolloutPolicy>().notNull(),
    selection: jsonb().$type<Selection>().notNull().default({}),
    releases: jsonb().$type<Record<NodeClass, ReleaseRef>>().notNull(),
    waveCount: integer().notNull(),
    state: jsonb().$type<RolloutState>().notNull(),
    /** Copy of `state.phase`, to find active ones. */
    phase: text().notNull(),
    rolloutEpoch: integer().notNull(),
    version: integer().notNull(),
    acceptedFailed: integer().notNull().default(0),
    acceptedSilent: integer().notNull().default(0),
    rollsBack: text().$type<RolloutId>(),
    plan: jsonb().$type<PlanView>(),
    because: jsonb().$type<string[]>().notNull().default([]),
  },
  (table) => [index().on(table.phase), index().on(table.rollsBack)],
);

export const rolloutSites = pgTable(
  "rollout_sites",
  {
    rolloutId: text().$type<RolloutId>().notNull(),
    site: text().$type<SiteId>().notNull(),
    wave: integer().notNull(),
    stratum: text().notNull(),
    excluded: boolean().notNull().default(false),
    before: jsonb().$type<Record<NodeClass, ReleaseRef | null>>().notNull(),
    state: text().$type<SiteInRollout>().notNull(),
    since: epochMs().notNull(),
    because: jsonb().$type<string[]>().notNull().default([]),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.site] }), index().on(table.site)],
);

export const grants = pgTable(
  "grants",
  {
    /** Shared by the nodes that were granted in one reply. */
    id: text().$type<GrantId>().notNull(),
    rolloutId: text().$type<RolloutId>().notNull(),
    rolloutEpoch: integer().notNull(),
    site: text().$type<SiteId>().notNull(),
    node: text().$type<NodeId>().notNull(),
    nonce: text().notNull(),
    imageId: text().$type<ImageId>().notNull(),
    grantedAt: epochMs().notNull(),
    firstGrantedAt: epochMs().notNull(),
    renewals: integer().notNull().default(0),
    armed: boolean().notNull().default(false),
    armedAt: epochMs(),
    outcome: text().$type<GrantOutcome>(),
    outcomeAt: epochMs(),
  },
  (table) => [
    primaryKey({ columns: [table.rolloutId, table.node] }),
    index().on(table.node),
    index("grants_open").on(table.site).where(isNull(table.outcome)),
  ],
);

export const outbox = pgTable(
  "outbox",
  {
    id: bigserial({ mode: "number" }).primaryKey(),
    site: text().$type<SiteId>().notNull(),
    body: jsonb().$type<DesiredBody>().notNull(),
    publishedAt: epochMs(),
  },
  (table) => [
    index("outbox_unpublished").on(table.id).where(isNull(table.publishedAt)),
    index().on(table.site),
  ],
);

export const leases = pgTable("leases", {
  name: text().primaryKey(),
  holder: text().notNull(),
  term: integer().notNull(),
  expiresAt: epochMs().notNull(),
});
