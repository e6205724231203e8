// Postgres and NATS as the control plane starts them: both or neither, and the schema is there.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@drover/shared/log";
import { afterEach, expect, test } from "vitest";
import { readConfig } from "../config.ts";
import { openDataFolder } from "../embedded/data-folder.ts";
import { processesIn } from "../embedded/process-identity.ts";
import { openTlsAuthority } from "../embedded/tls-authority.ts";
import { type Services, startServices } from "./services.ts";
import { systemClock } from "./system-clock.ts";

const { now } = systemClock;
const cacheFolder = process.env["DROVER_CACHE"] ?? join(import.meta.dirname, "../../../../.cache");
const data = mkdtempSync(join(tmpdir(), "drover-services-"));
const cluster = join(data, "postgres", "cluster");

let running: Services | undefined;

afterEach(async () => {
  await running?.stop();
  rmSync(data, { recursive: true, force: true });
});

/** The operator's program, else the one in the cache once another test has fetched it. */
function natsProgram(): string | undefined {
  const cached = join(cacheFolder, "nats-server");
  return process.env["NATS_SERVER"] ?? (existsSync(cached) ? cached : undefined);
}

async function busyPort(): Promise<{ blocker: Server; port: number }> {
  const blocker = createServer();
  await new Promise<void>((done) => void blocker.listen(0, "127.0.0.1", done));
  const address = blocker.address();
  return { blocker, port: address !== null && typeof address === "object" ? address.port : 0 };
}

test("When the bus can't start, the database is stopped again; once it can, both run.", async () => {
  const folder = openDataFolder(data);
  const tls = openTlsAuthority({ folder: folder.part("tls"), names: [], now: now() });
  const { blocker, port } = await busyPort();
  const env = { PATH: process.env["PATH"], NATS_SERVER: natsProgram() };
  const config = readConfig(["--data", data, "--nats-port", String(port)], env);
  const parts = { config, folder, tls, log: silentLog, now };
  await expect(startServices(parts)).rejects.toMatchObject({ code: "embedded-port-busy" });
  expect(processesIn(cluster)).toEqual([]);
  await new Promise((done) => void blocker.close(done));
  running = await startServices(parts);
  const [row] = await running.sql`select count(*)::int as sites from sites`;
  expect(row).toEqual({ sites: 0 });
  expect(running.busPort).toBe(port);
  await running.stop();
  expect(processesIn(cluster)).toEqual([]);
  folder.release();
  expect(existsSync(join(data, "lock"))).toBe(false);
});
