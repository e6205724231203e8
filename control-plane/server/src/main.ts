// Composition root of the control plane: settings, then services, loops and HTTP, in this order; back in the
// other. Exit codes: 0 stopped, 2 wrong settings, 3 data folder, 4 port, 5 embedded service, 6 database, 1 other.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describeError, FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import { z } from "zod";
import { peopleDesk } from "./auth/people-desk.ts";
import { type Config, readConfig } from "./config.ts";
import { openContentStore } from "./content/content-store.ts";
import { type DataFolder, openDataFolder } from "./embedded/data-folder.ts";
import { isPortFree } from "./embedded/free-port.ts";
import { openTlsAuthority } from "./embedded/tls-authority.ts";
import { createApp } from "./http/app.ts";
import { openFleetKeys } from "./keys/init-keys.ts";
import { keyFile, readKeyFile, writeKeyFile } from "./keys/key-folder.ts";
import { fleetSealer } from "./keys/sealer.ts";
import { eventHub } from "./live/event-hub.ts";
import { publishingStore } from "./live/publishing-store.ts";
import { appOptions } from "./start/app.ts";
import { startBus } from "./start/bus.ts";
import { ensureAdminToken } from "./start/first-login.ts";
import { ListenError, listenHttps } from "./start/https-server.ts";
import { openLog } from "./start/log.ts";
import { startLoops } from "./start/loops.ts";
import { startServices } from "./start/services.ts";
import { systemClock } from "./start/system-clock.ts";
import { loopStore } from "./store/loop-store.ts";
import { peopleStore } from "./store/people.ts";
import { releaseRows } from "./store/release-rows.ts";

const { now } = systemClock;

/** Runs until the signal aborts. */
async function run(config: Config, log: Log, signal: AbortSignal): Promise<void> {
  if (config.role !== "loops" && !(await isPortFree(config.port, config.listen)))
    throw new ListenError(
      "port-busy",
      `port ${config.port} of ${config.listen} is used by another program: stop that one or choose another with --port`,
    );
  const folder = openDataFolder(config.data);
  try {
    await serve(config, folder, log, signal);
  } finally {
    folder.release();
  }
}

async function serve(
  config: Config,
  folder: DataFolder,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const tls = openTlsAuthority({ folder: folder.part("tls"), names: config.address, now: now() });
  const keys = openFleetKeys(folder.part("keys"), now());
  if (keys.made)
    log.warn({}, "development keys made on this computer; use ceremony keys in production");
  const services = await startServices({ config, folder, tls, log, now });
  const stopping = new AbortController();
  try {
    await releaseRows(services.sql).addRoot(1, keys.rootText);
    const hub = eventHub({ listenersMax: 200, pendingMax: 5_000 });
    const store = publishingStore(loopStore(services.sql), hub.publish);
    const sealer = fleetSealer(keys.fleet);
    const runsLoops = config.role === "all" || config.role === "loops";
    const wakes = { wakeRollouts() {}, wakeDesired() {}, wakeOutbox() {} };
    const bus = startBus({
      services,
      store,
      replicas: config.replicas,
      listen: runsLoops,
      wakeOutbox: () => wakes.wakeOutbox(),
      now,
      log,
      signal: stopping.signal,
    });
    const loops = runsLoops
      ? startLoops({
          store,
          bus: bus.loops,
          sealer,
          clock: systemClock,
          log,
          signal: stopping.signal,
        })
      : { ...wakes, done: Promise.resolve() };
    wakes.wakeOutbox = loops.wakeOutbox;
    const people = peopleDesk(peopleStore(services.sql), now);
    const tokenFile = join(folder.part("secrets"), "admin-token");
    const first = await ensureAdminToken(tokenFile, people);
    const contentFolder = folder.part("content");
    const app = createApp(
      appOptions({
        config,
        services,
        store,
        bus,
        loops,
        wakeBuilder: () => undefined,
        keys,
        sealer,
        tls,
        people,
        sessionSecret: sessionSecret(folder.part("keys")),
        content: await openContentStore(contentFolder),
        contentFolder,
        hub,
        log,
        now,
      }),
    );
    const { listen: host, port } = config;
    const server = await listenHttps({ fetch: app.fetch, tls, host, port });
    await announce({
      config,
      log,
      first,
      tokenFile,
      caFile: tls.authorityFile,
      newCode: people.newCode,
    });
    await aborted(signal);
    log.info({}, "control plane stopping");
    hub.closeAll();
    await server.stop();
    stopping.abort();
    await loops.done;
    await bus.close();
  } finally {
    stopping.abort();
    await services.stop();
  }
  log.info({}, "control plane stopped");
}

async function announce(ready: {
  config: Config;
  log: Log;
  first: boolean;
  tokenFile: string;
  caFile: string;
  newCode: (person: string) => Promise<string>;
}): Promise<void> {
  const { config, log, first, tokenFile, caFile } = ready;
  const host = config.address[0] ?? config.listen;
  const url = config.publicUrl ?? `https://${host}:${config.port}`;
  log.info({ url }, "control plane ready");
  if (first) {
    const link = `${url}/login#${await ready.newCode("admin")}`;
    process.stderr.write(
      `\nOpen the console once with ${link}\nAccess token for the CLI: ${tokenFile}\n\n`,
    );
  }
  process.stdout.write(`${JSON.stringify({ ready: true, url, tokenFile, caFile })}\n`);
}

/** Shared by all replicas that serve HTTP with these keys. */
function sessionSecret(folder: string): Uint8Array {
  const file = keyFile(folder, "session-secret");
  const schema = z.strictObject({ secretHex: z.string().regex(/^[0-9a-f]{64}$/) });
  if (readKeyFile(file, schema) === undefined)
    writeKeyFile(file, { secretHex: randomBytes(32).toString("hex") });
  return Buffer.from(readKeyFile(file, schema)?.secretHex ?? "", "hex");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((settle) => {
    if (signal.aborted) settle();
    else signal.addEventListener("abort", () => settle(), { once: true });
  });
}

/** Sentences that end with 2 to 6 tell a person what to do; everything else is a failure of ours. */
function exitCodeOf(error: unknown): number {
  const code = error instanceof FleetError ? error.code : "";
  if (code === "config-invalid") return 2;
  if (code.startsWith("data-folder") || code === "disk-full" || code === "key-file-broken")
    return 3;
  if (code === "port-busy" || code === "listen-failed" || code === "embedded-port-busy") return 4;
  if (code.startsWith("embedded") || code.startsWith("tls-")) return 5;
  if (code.startsWith("database") || code.startsWith("migration")) return 6;
  return 1;
}

async function main(): Promise<number> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  try {
    const config = readConfig(process.argv.slice(2), process.env);
    await run(config, openLog(config.logLevel), stop.signal);
    return 0;
  } catch (error) {
    process.stderr.write(`drover: ${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

process.exitCode = await main();
