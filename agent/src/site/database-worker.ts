// The worker side of the site database: collects what has arrived, runs it in one transaction, answers
// after the commit. A failing unit is undone alone and does not take its neighbours with it.

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { describeError } from "@drover/shared/errors";
import {
  type DatabaseAnswer,
  type DatabaseRequest,
  databaseWorkerRole,
  type SqlRow,
} from "./database.ts";
import { schema } from "./schema.ts";

/** True in a thread that was started to run the database. */
export function isDatabaseWorker(): boolean {
  return !isMainThread && workerData?.role === databaseWorkerRole;
}

/** Serves requests until told to stop (a null message). */
export function serveDatabase(): void {
  const port = parentPort;
  if (!port) return;
  const database = new DatabaseSync(String(workerData.path));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000");
  database.exec(schema);
  const prepared = new Map<string, StatementSync>();
  const waiting: DatabaseRequest[] = [];
  let isFlushPlanned = false;
  const flush = (): void => {
    isFlushPlanned = false;
    const answers = commitTogether(database, prepared, waiting.splice(0));
    for (const answer of answers) port.postMessage(answer);
  };
  port.on("message", (request: DatabaseRequest | null) => {
    if (request === null) {
      flush();
      database.close();
      port.close();
      return;
    }
    waiting.push(request);
    if (isFlushPlanned) return;
    isFlushPlanned = true;
    setImmediate(flush);
  });
}

function commitTogether(
  database: DatabaseSync,
  prepared: Map<string, StatementSync>,
  requests: readonly DatabaseRequest[],
): DatabaseAnswer[] {
  if (requests.length === 0) return [];
  try {
    database.exec("BEGIN IMMEDIATE");
    const answers = requests.map((request) => runUnit(database, prepared, request));
    database.exec("COMMIT");
    return answers;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    return requests.map(({ id }) => ({ id, error: describeError(error) }));
  }
}

function runUnit(
  database: DatabaseSync,
  prepared: Map<string, StatementSync>,
  { id, statements }: DatabaseRequest,
): DatabaseAnswer {
  database.exec("SAVEPOINT unit");
  try {
    let rows: readonly SqlRow[] = [];
    for (const { sql, values } of statements) {
      const query = prepared.get(sql) ?? database.prepare(sql);
      prepared.set(sql, query);
      rows = query.all(...values) as SqlRow[];
    }
    database.exec("RELEASE unit");
    return { id, rows };
  } catch (error) {
    database.exec("ROLLBACK TO unit; RELEASE unit");
    return { id, error: describeError(error) };
  }
}

// As a file of its own this is the worker's entry; inside the bundle the entry calls serveDatabase.
if (isDatabaseWorker() && import.meta.url.endsWith("/database-worker.ts")) serveDatabase();
