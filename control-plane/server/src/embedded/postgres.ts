// A real Postgres inside the data folder, on the loopback interface with a password,
// supervised. Whatever a killed server left running is ended before the cluster is opened again.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "@drover/shared/log";
import { endLeftovers } from "./child-process.ts";
import { DataFolderError, systemCode } from "./errors.ts";
import { findFreePort, isPortFree, keepPort, readPort } from "./free-port.ts";
import { findPostgres, type PostgresBinaries } from "./postgres-binaries.ts";
import {
  database,
  explainPostgres,
  makeCluster,
  owner,
  postgresEnvironment,
  postgresName,
} from "./postgres-cluster.ts";
import { type ServiceEvent, type SupervisedService, supervise } from "./supervisor.ts";
import { chooseUnprivileged } from "./unprivileged.ts";

export interface EmbeddedPostgresOptions {
  /** The `postgres` part of the data folder, held by us alone. */
  readonly folder: string;
  readonly logFolder: string;
  /** The PATH to look for programs in. */
  readonly path: string;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ServiceEvent) => void;
  /** Where programs may come from; both by default. */
  readonly origins?: readonly PostgresBinaries["origin"][];
}

export interface EmbeddedPostgres {
  /** `postgres://` URL of the database, password included: never log it. */
  readonly url: string;
  readonly port: number;
  readonly version: { readonly major: number; readonly origin: "machine" | "npm" };
  pid(): number;
  stop(): Promise<void>;
}

const host = "127.0.0.1";

/**
 * Starts (and on first use makes) the database.
 * @throws EmbeddedError | DataFolderError, one sentence each
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const cluster = join(options.folder, "cluster");
  await endLeftovers(cluster, "SIGINT");
  const binaries = await findPostgres(cluster, options.path, options.origins);
  const identity = await chooseUnprivileged();
  refuseVanished(options.folder, cluster);
  if (!existsSync(cluster)) await makeCluster({ ...options, cluster, binaries, identity });
  identity.own(cluster);
  const password = readFileSync(join(options.folder, "password"), "utf8").trim();
  const port = await choosePort(join(options.folder, "port"));
  const service = await supervise({
    name: postgresName,
    spec: {
      ...identity.wrap(join(binaries.folder, "postgres"), serverArguments(cluster, port)),
      cwd: cluster,
      logFile: join(options.logFolder, "postgres.log"),
      env: postgresEnvironment(options.path),
      // SIGINT ends sessions and writes a checkpoint, SIGQUIT leaves it to recovery.
      stopSignals: [
        { signal: "SIGINT", waitMs: 20_000 },
        { signal: "SIGQUIT", waitMs: 5_000 },
      ],
    },
    prepare: () => prepareStart(cluster),
    isReady: async (pid) => isReady(cluster, pid),
    readyWithinMs: 120_000,
    log: options.log,
    onEvent: options.onEvent,
    explain: (tail) => explainPostgres(options.folder, tail),
  });
  return describe(service, { port, password, binaries });
}

/** The port is kept once there is a cluster; an empty one made now would pass for a lost fleet. */
function refuseVanished(folder: string, cluster: string): void {
  if (existsSync(cluster) || readPort(join(folder, "port")) === undefined) return;
  const sentence = `the database in ${folder} has gone; restore the data folder from a backup or start with another`;
  throw new DataFolderError("data-folder-broken", sentence);
}

function describe(
  service: SupervisedService,
  made: { port: number; password: string; binaries: PostgresBinaries },
): EmbeddedPostgres {
  return {
    url: `postgres://${owner}:${made.password}@${host}:${made.port}/${database}`,
    port: made.port,
    version: { major: made.binaries.major, origin: made.binaries.origin },
    pid: () => service.pid(),
    stop: () => service.stop(),
  };
}

function serverArguments(cluster: string, port: number): string[] {
  const settings = [
    `listen_addresses=${host}`,
    `port=${port}`,
    "unix_socket_directories=",
    "max_connections=100",
    "shared_buffers=128MB",
    "log_timezone=UTC",
    "timezone=UTC",
  ];
  return ["-D", cluster, ...settings.flatMap((setting) => ["-c", setting])];
}

/** Only we connect to this port, so a busy one is replaced instead of reported. */
async function choosePort(file: string): Promise<number> {
  const kept = readPort(file);
  if (kept !== undefined && (await isPortFree(kept, host))) return kept;
  const port = await findFreePort(host);
  keepPort(file, port);
  return port;
}

/**
 * After kill -9 sessions of the dead server may live on for a moment and its lock file names a process
 * id that something else may have by now. With every process of the cluster gone the file means nothing.
 */
async function prepareStart(cluster: string): Promise<void> {
  await endLeftovers(cluster, "SIGINT");
  rmSync(join(cluster, "postmaster.pid"), { force: true });
}

/** Postgres writes "ready" into line 8 of its lock file once it takes connections. */
function isReady(cluster: string, pid: number): boolean {
  const lines = readLines(join(cluster, "postmaster.pid"));
  return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}
