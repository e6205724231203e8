// Composition root of the control plane: settings, then services, loops and HTTP, in this order; back in the
// other. Exit codes: 0 stopped, 2 wrong settings, 3 data folder, 4 port, 5 embedded service, 6 database, 1 other.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describeError, FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import { z } from "zod";
import { type PeopleDesk, peopleDesk } from "./auth/people-desk.ts";
import { type Config, readConfig } from "./config.ts";
import { openContentStore } from "./content/content-store.ts";
import { type DataFolder, openDataFolder } from "./embedded/data-folder.ts";
import { isPortFree } from "./embedded/free-port.ts";
import { openTlsAuthority, type TlsAuthority } from "./embedded/tls-authority.ts";
import { createApp } from "./http/app.ts";
import { type HttpsServer, ListenError, listenHttps } from "./http/https-server.ts";
import { registerImage } from "./http/releases.ts";
import { type FleetKeys, openFleetKeys } from "./keys/init-keys.ts";
import { keyFile, readKeyFile, writeKeyFile } from "./keys/key-folder.ts";
import { type FleetSealer, fleetSealer } from "./keys/sealer.ts";
import { eventHub } from "./live/event-hub.ts";
import { publishingStore } from "./live/publishing-store.ts";
import type { Loop } from "./loops/loop.ts";
import { appOptions, releaseParts } from "./start/app.ts";
import { startBuilder } from "./start/builder.ts";
import { startBus } from "./start/bus.ts";
import { ensureAdminToken } from "./start/first-login.ts";
import { openLog } from "./start/log.ts";
import { type RunningLoops, startLoops } from "./start/loops.ts";
import { keepCertificateYoung } from "./start/renew-certificate.ts";
import { type Services, startServices } from "./start/services.ts";
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
  if (keys.made) log.warn({}, "development keys made on this computer; use ceremony keys later");
  const services = await startServices({ config, folder, tls, log, now });
  const stopping = new AbortController();
  try {
    await releaseRows(services.sql).addRoot(1, keys.rootText);
    const parts = { config, folder, tls, keys, services, log, stopping: stopping.signal };
    const work = startWork(parts, fleetSealer(keys.fleet));
    const people = peopleDesk(peopleStore(services.sql), now);
    const server = config.role === "loops" ? undefined : await startHttp(parts, work, people);
    work.alsoAwait(keepCertificate(parts, server).done);
    const tokenFile = join(folder.part("secrets"), "admin-token");
    const first = await ensureAdminToken(tokenFile, people);
    await announce({ config, log, first, tokenFile, caFile: tls.authorityFile, ...people });
    await aborted(signal);
    log.info({}, "control plane stopping");
    work.hub.closeAll();
    await server?.stop();
    stopping.abort();
    await work.stop();
  } finally {
    stopping.abort();
    await services.stop();
  }
  log.info({}, "control plane stopped");
}

function keepCertificate(parts: Parts, server: HttpsServer | undefined): Loop {
  const { config, folder, tls, services, log, stopping: signal } = parts;
  const tlsFolder = folder.part("tls");
  return keepCertificateYoung({
    tls,
    open: () => openTlsAuthority({ folder: tlsFolder, names: config.address, now: now() }),
    handOver: () => {
      server?.renewCertificate();
      services.renewBusCertificate();
    },
    clock: systemClock,
    random: seededRandom(randomBytes(4).readUInt32LE()),
    log,
    signal,
  });
}

interface Parts {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly tls: TlsAuthority;
  readonly keys: FleetKeys;
  readonly services: Services;
  readonly log: Log;
  readonly stopping: AbortSignal;
}

/** Store, bus and the loops of this role. */
function startWork({ config, services, log, stopping: signal }: Parts, sealer: FleetSealer) {
  const hub = eventHub({ listenersMax: 200, pendingMax: 5_000 });
  const store = publishingStore(loopStore(services.sql), hub.publish);
  const listen = config.role === "all" || config.role === "loops";
  const idle = { wakeRollouts() {}, wakeDesired() {}, wakeOutbox() {}, done: Promise.resolve() };
  const running = { loops: idle as RunningLoops };
  const wakeOutbox = (): void => running.loops.wakeOutbox();
  const { replicas } = config;
  const bus = startBus({ services, store, replicas, listen, wakeOutbox, now, log, signal });
  if (listen)
    running.loops = startLoops({ store, bus: bus.loops, sealer, clock: systemClock, log, signal });
  const { loops } = running;
  const ending: Promise<unknown>[] = [loops.done];
  return {
    hub,
    store,
    bus,
    loops,
    sealer,
    /** Something else that ends after the abort and must be waited for. */
    alsoAwait: (done: Promise<unknown>) => void ending.push(done),
    async stop() {
      await Promise.all(ending);
      await bus.close();
    },
  };
}

async function startHttp(
  parts: Parts,
  work: ReturnType<typeof startWork>,
  people: PeopleDesk,
): Promise<HttpsServer> {
  const { config, folder, services, keys, tls, log } = parts;
  const contentFolder = folder.part("content");
  const content = await openContentStore(contentFolder);
  const shelf = { content, contentFolder, keys, now, loops: work.loops };
  const releases = releaseParts(shelf, releaseRows(services.sql));
  const builder =
    config.role === "http"
      ? undefined
      : startBuilder({
          config,
          folder,
          sql: services.sql,
          content,
          register: (imageId) => registerImage(releases, imageId),
          changed: (id) => work.hub.publish({ topic: "build", id }),
          log,
          signal: parts.stopping,
        });
  if (builder) work.alsoAwait(builder.done);
  const app = createApp(
    appOptions({
      ...{ config, services, keys, tls, people, log, now, content, contentFolder },
      ...work,
      wakeBuilder: () => builder?.wake(),
      sessionSecret: sessionSecret(folder.part("keys")),
    }),
  );
  return listenHttps({ fetch: app.fetch, tls, host: config.listen, port: config.port });
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
