// The connection pool to Postgres and how its values become ours: epoch milliseconds are numbers, columns
// are camelCase, JSON stays as it is.
import postgres from "postgres";

export type Sql = postgres.Sql<Record<string, never>>;
export type Transaction = postgres.TransactionSql<Record<string, never>>;
/** What a single statement needs: the pool or an open transaction. */
export type Queryable = Sql | Transaction;
/** JSON as the driver takes it. */
export type JsonValue = postgres.JSONValue;

export interface DatabaseOptions {
  readonly url: string;
  readonly connectionsMax: number;
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
}

/** Opens the pool; the first statement connects. */
export function openDatabase(options: DatabaseOptions): Sql {
  return postgres(options.url, {
    max: options.connectionsMax,
    connect_timeout: 10,
    idle_timeout: 60,
    onnotice: () => undefined,
    connection: { application_name: options.name },
    transform: { column: { from: postgres.toCamel } },
    // 64-bit integers here are times, counters and sizes, all below 2^53.
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  }) as unknown as Sql;
}

/** A value for a `jsonb` column. */
export function asJson(sql: Queryable, value: unknown): postgres.Parameter {
  return sql.json(value as JsonValue);
}

/** Values for a `jsonb[]` parameter: pass with `::text[]::jsonb[]`, else they are encoded twice. */
export function jsonTexts(values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value));
}
