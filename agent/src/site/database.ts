// SQLite in a worker thread: callers send statements and are answered after the commit that made them
// durable. Whatever arrives while a commit runs shares the next one (group commit).

import { Worker } from "node:worker_threads";
import { FleetError } from "@drover/shared/errors";

export type SqlValue = string | number | null | Uint8Array;
export interface Statement {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** One unit of work: all of its statements take effect, or none. The rows are those of the last one. */
export interface DatabaseRequest {
  readonly id: number;
  readonly statements: readonly Statement[];
}
export type DatabaseAnswer =
  | { readonly id: number; readonly rows: readonly SqlRow[] }
  | { readonly id: number; readonly error: string };

export class DatabaseError extends FleetError {
  readonly code = "site-database-failed";
}

export interface Database {
  /** Runs the statements as one unit; resolves with the rows of the last one once all is durable. */
  run(...statements: readonly Statement[]): Promise<readonly SqlRow[]>;
  close(): Promise<void>;
}

export const statement = (sql: string, ...values: readonly SqlValue[]): Statement => ({
  sql,
  values,
});

/** Role name that tells a program's entry file that it was started as this worker. */
export const databaseWorkerRole = "drover-site-database";

/**
 * Opens the database at `path`. `workerUrl` is the module to run in the worker: `database-worker.ts`
 * in development, the bundle itself when shipped.
 */
export function openDatabase(path: string, workerUrl: URL): Database {
  const worker = new Worker(workerUrl, { workerData: { role: databaseWorkerRole, path } });
  const open = new Map<
    number,
    { resolve(rows: readonly SqlRow[]): void; reject(error: Error): void }
  >();
  let lastId = 0;
  let dead: Error | undefined;
  const fail = (error: Error): void => {
    dead ??= error;
    for (const { reject } of open.values()) reject(error);
    open.clear();
  };
  worker.on("message", (answer: DatabaseAnswer) => {
    const caller = open.get(answer.id);
    open.delete(answer.id);
    if ("rows" in answer) caller?.resolve(answer.rows);
    else caller?.reject(new DatabaseError(answer.error));
  });
  worker.on("error", (cause) => fail(new DatabaseError("the site database broke", { cause })));
  worker.on("exit", () => fail(new DatabaseError("the site database is closed")));
  return {
    run(...statements) {
      if (dead) return Promise.reject(dead);
      lastId += 1;
      const id = lastId;
      return new Promise((resolve, reject) => {
        open.set(id, { resolve, reject });
        worker.postMessage({ id, statements } satisfies DatabaseRequest);
      });
    },
    async close() {
      if (dead) return;
      const gone = new Promise((resolve) => worker.once("exit", resolve));
      worker.postMessage(null);
      await gone;
    },
  };
}
