// Connects the bus: streams made or brought up to date on every connect, everything published again after the
// bus lost its store, revocations pushed by a second connection of the system user.
import type { Log } from "@drover/shared/log";
import { ownUserJwt } from "../bus/bus-keys.ts";
import { type BusConnection, openBusConnection } from "../bus/connection.ts";
import { type LoopBus, loopBus } from "../bus/loop-bus.ts";
import { openRevocationPublisher, type RevocationPublisher } from "../bus/revocation.ts";
import { ensureStreams } from "../bus/streams.ts";
import type { LoopStore } from "../loops/ports.ts";
import { siteIdentities } from "../store/site-identities.ts";
import { type Services, siteJwtValidMs } from "./services.ts";

export interface RunningBus {
  readonly loops: LoopBus;
  readonly connection: BusConnection;
  readonly revocations: RevocationPublisher;
  close(): Promise<void>;
}

export function startBus(options: {
  services: Services;
  store: LoopStore;
  replicas: number;
  /** False for a process without loops. */
  listen: boolean;
  wakeOutbox: () => void;
  now: () => number;
  log: Log;
  signal: AbortSignal;
}): RunningBus {
  const { services, store, now, log, signal } = options;
  const { busKeys, busServers: servers, busCaPem: caPem } = services;
  let connection: BusConnection | undefined;
  const loops = loopBus({
    connection: () => {
      if (!connection) throw new Error("the bus is used before it was opened");
      return connection;
    },
    listen: options.listen,
    now,
    log,
  });
  connection = openBusConnection({
    servers,
    caPem,
    user: busKeys.centreUser,
    jwt: ownUserJwt(busKeys.centreUser, busKeys.account, "centre", now()),
    name: "centre",
    log,
    signal,
    async onConnected(live) {
      const streams = { replicas: options.replicas, reportBytes: 4 * 1024 ** 3 };
      const { desiredMade } = await ensureStreams(live, streams);
      if (desiredMade) {
        const again = await store.republishAll();
        log.info({ again }, "bus without desired documents filled again");
      }
      await loops.attach(live);
      options.wakeOutbox();
    },
  });
  const identities = siteIdentities(services.sql);
  const revocations = openRevocationPublisher({
    keys: busKeys,
    servers,
    caPem,
    revocations: () => identities.revocations(now() - 2 * siteJwtValidMs),
    now,
    log,
    signal,
  });
  const opened = connection;
  return {
    loops,
    connection: opened,
    revocations,
    async close() {
      await Promise.all([opened.close(), revocations.close()]);
    },
  };
}
