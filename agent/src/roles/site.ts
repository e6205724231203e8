// The `site` role: one real site agent from its settings. The only place that constructs its parts.
import { mkdir } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Clock } from "@drover/shared/clock";
import { FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import { seededRandom, seedOf } from "@drover/shared/random";
import { serve } from "@hono/node-server";
import type { SiteSettings } from "../config.ts";
import { startBootServices } from "../site/boot-services.ts";
import { CallVerifier } from "../site/call-verifier.ts";
import { httpsCentre } from "../site/centre.ts";
import { openDatabase } from "../site/database.ts";
import { enrol, openNkey, readIdentity } from "../site/identity.ts";
import { DiskImageCache } from "../site/image-cache.ts";
import { databaseLeases } from "../site/lease-store.ts";
import { nodeApi } from "../site/node-api.ts";
import { scrubCache } from "../site/scrub-cache.ts";
import { SiteRuntime } from "../site/site-runtime.ts";

export class SiteStartError extends FleetError {
  readonly code = "site-start-failed";
}

export interface SiteRoleParts {
  readonly settings: SiteSettings;
  readonly agentVersion: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Module that serves the database in a worker. */
  readonly databaseWorker: URL;
}

export interface RunningSite {
  readonly runtime: SiteRuntime;
  /** Port of the node API. */
  readonly port: number;
  /** Resolves when everything has stopped. */
  readonly done: Promise<void>;
}

/** Enrols when needed, resumes otherwise, and runs until the signal aborts. */
export async function startSite(parts: SiteRoleParts, signal: AbortSignal): Promise<RunningSite> {
  const { settings, clock, agentVersion } = parts;
  const { dataFolder } = settings;
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const identity = (await readIdentity(dataFolder)) ?? (await firstIdentity(parts));
  const { site, caPem } = identity.connection;
  const log = parts.log.child({ site });
  const nkey = await openNkey(dataFolder);
  const centre = httpsCentre({ url: identity.url, caPem });
  const database = openDatabase(join(dataFolder, "site.sqlite"), parts.databaseWorker);
  const random = seededRandom(seedOf(`${site}${clock.now()}`));
  let disk: DiskImageCache | undefined;
  const runtime = await SiteRuntime.open({
    identity,
    nkey,
    centre,
    database,
    clock,
    random,
    log,
    reconnect: settings.reconnect,
    agentVersion,
    timeZone: settings.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    async openCache(content, addWanBytes) {
      const folder = join(dataFolder, "cache");
      disk = await DiskImageCache.open({ folder, content, clock, log, addWanBytes });
      return disk;
    },
  });
  const { service, cache, store } = runtime;
  const verifier = await CallVerifier.open(site, store, (node) => service.keyOf(node));
  const app = nodeApi({ service, verifier, cache, log });
  const { ip, port: wanted } = settings.listen;
  const { lan } = settings;
  const boot = lan
    ? await startBootServices(app, {
        site,
        lan,
        serverIp: ip,
        httpPort: wanted,
        runtime,
        leases: databaseLeases(database, site),
        clock,
        random,
        log,
      })
    : undefined;
  const server = await listen(app.fetch, ip, wanted);
  log.info({ port: server.port }, "site agent started");
  const run = async (): Promise<void> => {
    try {
      const scrub = disk ? scrubCache({ cache: disk, clock, log }, signal) : undefined;
      await Promise.all([runtime.run(signal), scrub]);
    } finally {
      await server.close();
      await boot?.close();
      centre.close();
      await database.close();
      log.info({}, "site agent stopped");
    }
  };
  return { runtime, port: server.port, done: run() };
}

async function firstIdentity({ settings, agentVersion }: SiteRoleParts) {
  if (!settings.enrolment)
    throw new SiteStartError("the data folder knows no site and no enrolment string was given");
  return await enrol(settings.dataFolder, settings.enrolment, agentVersion);
}

function listen(
  fetch: Parameters<typeof serve>[0]["fetch"],
  hostname: string,
  port: number,
): Promise<{ port: number; close(): Promise<void> }> {
  return new Promise((resolve, reject) => {
    // Nodes with slow processors pause for longer than the default five seconds between two requests.
    const serverOptions = { keepAliveTimeout: 75_000 };
    const server = serve({ fetch, hostname, port, serverOptions }, (info: AddressInfo) => {
      resolve({
        port: info.port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            if ("closeAllConnections" in server) server.closeAllConnections();
          }),
      });
    });
    server.once("error", (cause) =>
      reject(new SiteStartError(`listening on ${hostname}:${port} failed`, { cause })),
    );
  });
}
