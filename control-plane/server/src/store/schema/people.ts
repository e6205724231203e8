// Tables of who may call: people, their tokens and sessions, enrolment tokens and revoked identities.
// Every secret is kept as a hash only.
import type { SiteId } from "@drover/shared/ids";
import { bigint, index, pgTable, text } from "drizzle-orm/pg-core";

const epochMs = () => bigint({ mode: "number" });

export const people = pgTable("people", {
  name: text().primaryKey(),
  roles: text().array().notNull(),
  createdAt: epochMs().notNull(),
});

/** Bearer tokens (`token`), console cookies (`session`) and one-time links (`login-code`). */
export const credentials = pgTable(
  "credentials",
  {
    hash: text().primaryKey(),
    kind: text().$type<"token" | "session" | "login-code">().notNull(),
    person: text().notNull(),
    label: text().notNull(),
    createdAt: epochMs().notNull(),
    expiresAt: epochMs().notNull(),
  },
  (table) => [index().on(table.expiresAt)],
);

/** One live enrolment token per site. */
export const enrolmentTokens = pgTable("enrolment_tokens", {
  site: text().$type<SiteId>().primaryKey(),
  hash: text().notNull().unique(),
  expiresAt: epochMs().notNull(),
  /** A repeat by the same nkey is answered again: the first answer may have been lost. */
  usedBy: text(),
});

export const revocations = pgTable("revocations", {
  nkey: text().primaryKey(),
  site: text().$type<SiteId>().notNull(),
  revokedAt: epochMs().notNull(),
});
