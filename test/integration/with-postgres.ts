// A Postgres of its own for one test file, in a temporary folder, with the schema in place.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "@drover/server/embedded/postgres";
import { openDatabase, type Sql } from "@drover/server/store/database";
import { migrate } from "@drover/server/store/migrate";
import { silentLog } from "@drover/shared/log";

export interface TestPostgres {
  readonly url: string;
  /** A fresh database with the schema; made from a template. */
  freshDatabase(): Promise<Sql>;
  stop(): Promise<void>;
}

export async function withPostgres(): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), "drover-store-"));
  for (const part of ["postgres", "log"]) mkdirSync(join(folder, part));
  const server = await startEmbeddedPostgres({
    folder: join(folder, "postgres"),
    logFolder: join(folder, "log"),
    path: process.env["PATH"] ?? "",
    log: silentLog,
  });
  const admin = openDatabase({ url: server.url, connectionsMax: 1, name: "test" });
  await admin.unsafe("create database template_drover");
  const sql = open(server.url, "template_drover");
  await migrate(sql);
  await sql.end();
  const opened: Sql[] = [];
  return {
    url: server.url,
    async freshDatabase() {
      const name = `test_${opened.length}`;
      await admin.unsafe(`create database ${name} template template_drover`);
      const database = open(server.url, name);
      opened.push(database);
      return database;
    },
    async stop() {
      for (const database of opened) await database.end();
      await admin.end();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function open(url: string, name: string): Sql {
  const target = new URL(url);
  target.pathname = `/${name}`;
  return openDatabase({ url: target.href, connectionsMax: 4, name: "test" });
}
