// Brings the database to this version's schema. Forward only, one transaction per migration, under an
// advisory lock so that of many replicas one migrates; a database from the future is refused.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FleetError } from "@drover/shared/errors";
import { z } from "zod";
import type { Sql } from "./database.ts";

/** Any constant that nobody else uses as an advisory lock in this database. */
const lockKey = 7_360_111;

export class MigrationError extends FleetError {
  readonly code: "database-too-new" | "migration-failed" | "migration-changed";

  constructor(code: MigrationError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
  readonly sha256: string;
}

const Journal = z.object({ entries: z.array(z.object({ idx: z.number(), tag: z.string() })) });
const folderDefault = join(import.meta.dirname, "..", "..", "migrations");

/** The migrations of this version in order, as drizzle-kit wrote them. */
export function readMigrations(folder: string = folderDefault): readonly Migration[] {
  const text = readFileSync(join(folder, "meta", "_journal.json"), "utf8");
  const { entries } = Journal.parse(JSON.parse(text));
  return entries
    .sort((a, b) => a.idx - b.idx)
    .map(({ tag }) => {
      const sql = readFileSync(join(folder, `${tag}.sql`), "utf8");
      return {
        name: tag,
        statements: sql.split("--> statement-breakpoint").map((part) => part.trim()),
        sha256: createHash("sha256").update(sql).digest("hex"),
      };
    });
}

/**
 * Applies what is missing and returns the names applied.
 * @throws MigrationError when the database is newer than this version or a migration fails
 */
export async function migrate(
  sql: Sql,
  migrations: readonly Migration[] = readMigrations(),
): Promise<readonly string[]> {
  const connection = await sql.reserve();
  try {
    await connection`select pg_advisory_lock(${lockKey})`;
    await connection`create table if not exists schema_migrations (
      position integer primary key, name text not null, sha256 text not null,
      applied_at timestamptz not null default now())`;
    const done = await connection<{ position: number; name: string; sha256: string }[]>`
      select position, name, sha256 from schema_migrations order by position`;
    checkHistory(done, migrations);
    const applied: string[] = [];
    for (const [position, migration] of migrations.entries()) {
      if (position < done.length) continue;
      await apply(connection, position, migration);
      applied.push(migration.name);
    }
    return applied;
  } finally {
    await connection`select pg_advisory_unlock(${lockKey})`.catch(() => undefined);
    connection.release();
  }
}

function checkHistory(
  done: readonly { name: string; sha256: string }[],
  migrations: readonly Migration[],
): void {
  if (done.length > migrations.length) {
    const sentence = `the database was written by a newer Drover (${done.length} migrations, this one knows ${migrations.length}): start the newer version`;
    throw new MigrationError("database-too-new", sentence);
  }
  for (const [position, row] of done.entries()) {
    if (row.sha256 === migrations[position]?.sha256) continue;
    const sentence = `migration ${row.name} was applied with another content than this version has`;
    throw new MigrationError("migration-changed", sentence);
  }
}

async function apply(
  connection: Awaited<ReturnType<Sql["reserve"]>>,
  position: number,
  migration: Migration,
): Promise<void> {
  try {
    await connection`begin`;
    for (const statement of migration.statements) await connection.unsafe(statement);
    await connection`insert into schema_migrations (position, name, sha256)
      values (${position}, ${migration.name}, ${migration.sha256})`;
    await connection`commit`;
  } catch (cause) {
    await connection`rollback`;
    throw new MigrationError("migration-failed", `migration ${migration.name} failed`, { cause });
  }
}
