// Tables of builds, images and signed release metadata.
import type { BuildId, ChannelName, ImageId } from "@drover/shared/ids";
import type { Manifest } from "@drover/shared/image/manifest";
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from "drizzle-orm/pg-core";

const epochMs = () => bigint({ mode: "number" });

export const builds = pgTable(
  "builds",
  {
    id: text().$type<BuildId>().primaryKey(),
    recipe: text().notNull(),
    state: text().$type<"queued" | "running" | "succeeded" | "failed" | "cancelled">().notNull(),
    progress: text().notNull().default(""),
    imageId: text().$type<ImageId>(),
    createdAt: epochMs().notNull(),
    createdBy: text().notNull(),
    startedAt: epochMs(),
    endedAt: epochMs(),
    because: jsonb().$type<string[]>().notNull().default([]),
    cancelRequested: boolean().notNull().default(false),
    holder: text(),
    /** A running build whose holder is silent beyond this is taken over. */
    heldUntil: epochMs(),
    attempt: integer().notNull().default(0),
  },
  (table) => [index().on(table.state)],
);

export const buildLog = pgTable(
  "build_log",
  {
    build: text().$type<BuildId>().notNull(),
    line: integer().notNull(),
    text: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.build, table.line] })],
);

export const images = pgTable("images", {
  id: text().$type<ImageId>().primaryKey(),
  name: text().notNull(),
  architecture: text().notNull(),
  sizeBytes: bigint({ mode: "number" }).notNull(),
  manifest: jsonb().$type<Manifest>().notNull(),
  /** Length of the canonical text: what release metadata states. */
  manifestBytes: integer().notNull(),
  createdAt: epochMs().notNull(),
});

/** Newest signed metadata of each channel, as it was published. */
export const channels = pgTable("channels", {
  name: text().$type<ChannelName>().primaryKey(),
  version: integer().notNull(),
  metadata: text().notNull(),
  sha256: text().notNull(),
  publishedAt: epochMs().notNull(),
});

/** The releases that metadata names, taken apart for queries. */
export const releases = pgTable(
  "releases",
  {
    channel: text().$type<ChannelName>().notNull(),
    name: text().notNull(),
    semver: text().notNull(),
    counter: bigint({ mode: "number" }).notNull(),
    imageId: text().$type<ImageId>().notNull(),
    minimum: integer().notNull(),
    step: boolean().notNull(),
    withdrawn: text(),
  },
  (table) => [
    primaryKey({ columns: [table.channel, table.name, table.semver] }),
    index().on(table.imageId),
  ],
);

export const roots = pgTable("roots", {
  version: integer().primaryKey(),
  metadata: text().notNull(),
});
