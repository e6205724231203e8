// Postgres and the bus: started inside the data folder, or reached by URL. The schema is brought up to date
// before anything else uses the database.

import { join } from "node:path";
import type { Log } from "@drover/shared/log";
import {
  type BusKeys,
  fleetAccountJwt,
  openBusKeys,
  operatorJwt,
  systemAccountJwt,
} from "../bus/bus-keys.ts";
import type { Config } from "../config.ts";
import type { DataFolder } from "../embedded/data-folder.ts";
import { startEmbeddedNats } from "../embedded/nats.ts";
import { startEmbeddedPostgres } from "../embedded/postgres.ts";
import type { TlsAuthority } from "../embedded/tls-authority.ts";
import { openDatabase, type Sql } from "../store/database.ts";
import { migrate } from "../store/migrate.ts";
import { siteIdentities } from "../store/site-identities.ts";

/** A site's JWT lives this long; a revocation must be remembered at least as long. */
export const siteJwtValidMs = 24 * 3_600_000;

export interface Services {
  readonly sql: Sql;
  readonly busKeys: BusKeys;
  /** Servers of the bus as this process reaches them. */
  readonly busServers: readonly string[];
  /** Port of our own bus, for sites that reach this host by another name; null with an outside bus. */
  readonly busPort: number | null;
  /** Authority to check the bus's certificate by; none with an outside bus of a public authority. */
  readonly busCaPem: string | undefined;
  /** Makes our own bus read its certificate again. */
  renewBusCertificate(): void;
  /** In the order in which things have to stop. */
  stop(): Promise<void>;
}

export async function startServices(options: {
  config: Config;
  folder: DataFolder;
  tls: TlsAuthority;
  log: Log;
  now: () => number;
}): Promise<Services> {
  const { config, folder } = options;
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const sql = await openStore(options, stops);
    const busKeys = openBusKeys(join(folder.part("keys"), "bus"));
    const bus = config.natsUrl.length > 0 ? null : await startBus(options, { sql, busKeys });
    if (bus) stops.push(() => bus.stop());
    return {
      sql,
      busKeys,
      busServers: bus ? [bus.url] : config.natsUrl,
      busPort: bus?.port ?? null,
      busCaPem: bus ? options.tls.authorityPem : undefined,
      renewBusCertificate: () => bus?.reload(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openStore(
  { config, folder, log }: Parameters<typeof startServices>[0],
  stops: (() => Promise<void>)[],
): Promise<Sql> {
  let url = config.databaseUrl;
  if (url === undefined) {
    const postgres = await startEmbeddedPostgres({
      folder: folder.part("postgres"),
      logFolder: folder.part("log"),
      path: config.path,
      log,
    });
    stops.push(() => postgres.stop());
    url = postgres.url;
  }
  const sql = openDatabase({ url, connectionsMax: 20, name: "drover" });
  stops.push(() => sql.end({ timeout: 5 }));
  const applied = await migrate(sql);
  if (applied.length > 0) log.info({ applied }, "database migrated");
  return sql;
}

async function startBus(
  { config, folder, tls, log, now }: Parameters<typeof startServices>[0],
  { sql, busKeys }: { sql: Sql; busKeys: BusKeys },
) {
  const revoked = await siteIdentities(sql).revocations(now() - 2 * siteJwtValidMs);
  const { systemAccount, account } = busKeys;
  return startEmbeddedNats({
    folder: folder.part("nats"),
    logFolder: folder.part("log"),
    cacheFolder: folder.part("cache"),
    program: config.natsProgram,
    path: config.path,
    trust: {
      operatorJwt: operatorJwt(busKeys, now()),
      systemAccount: systemAccount.public,
      accountJwts: {
        [systemAccount.public]: systemAccountJwt(busKeys, now()),
        [account.public]: fleetAccountJwt(busKeys, revoked, now()),
      },
    },
    tls: { certificateFile: tls.certificateFile, keyFile: tls.keyFile },
    serverName: "drover",
    listenHost: config.listen,
    port: config.natsPort,
    log,
  });
}
