// A real Postgres inside the data folder, on the loopback interface with a password. Its cluster is
// made beside its final place and renamed, so that a half-made one is never opened.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "@drover/shared/log";
import { endLeftovers } from "./child-process.ts";
import { DataFolderError, EmbeddedError, systemCode } from "./errors.ts";
import { findFreePort, isPortFree, keepPort, readPort } from "./free-port.ts";
import { findPostgres, type PostgresBinaries } from "./postgres-binaries.ts";
import { runCommand } from "./run-command.ts";
import { type ServiceEvent, type SupervisedService, supervise } from "./supervisor.ts";
import { chooseUnprivileged, type Unprivileged } from "./unprivileged.ts";

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
const owner = "drover";
const database = "drover";
const name = "the embedded Postgres";

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
    name,
    spec: {
      ...identity.wrap(join(binaries.folder, "postgres"), serverArguments(cluster, port)),
      cwd: cluster,
      logFile: join(options.logFolder, "postgres.log"),
      env: { PATH: options.path, LC_ALL: "C", TZ: "UTC", ...runId() },
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
    explain: (tail) => explain(options.folder, tail),
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

interface ClusterOptions extends EmbeddedPostgresOptions {
  readonly cluster: string;
  readonly binaries: PostgresBinaries;
  readonly identity: Unprivileged;
}

async function makeCluster(options: ClusterOptions): Promise<void> {
  const { folder, binaries, identity, log } = options;
  const fresh = join(folder, "cluster.new");
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  const password = randomBytes(24).toString("hex");
  const passwordFile = join(folder, "password");
  writeFileSync(`${passwordFile}.new`, `${password}\n`, { mode: 0o600, flush: true });
  renameSync(`${passwordFile}.new`, passwordFile);
  // initdb wants a file, readable by its own identity; a pipe from Node is a socket it can't open.
  const handedOver = join(folder, "cluster.password");
  writeFileSync(handedOver, password, { mode: 0o600 });
  try {
    identity.own(handedOver);
    identity.own(fresh);
    await run(
      options,
      "initdb",
      [
        ...["-D", fresh, "-U", owner, "-E", "UTF8", "--locale=C", "--no-instructions"],
        ...["--auth=scram-sha-256", `--pwfile=${handedOver}`],
      ],
      "",
    );
    await run(
      options,
      "postgres",
      ["--single", "-D", fresh, "postgres"],
      `CREATE DATABASE ${database}\n`,
    );
    renameSync(fresh, options.cluster);
    log.info({ postgres: binaries.major, origin: binaries.origin }, "database made");
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(handedOver, { force: true });
  }
}

async function run(
  options: ClusterOptions,
  program: string,
  args: readonly string[],
  stdin: string,
): Promise<void> {
  const wrapped = options.identity.wrap(join(options.binaries.folder, program), args);
  const result = await runCommand(wrapped.program, wrapped.args, {
    stdin,
    env: { PATH: options.path, LC_ALL: "C", TZ: "UTC", ...runId() },
    signal: options.signal,
  });
  if (result.exitCode === 0) return;
  const known = explain(options.folder, result.tail);
  if (known !== undefined) throw known;
  const last = result.tail.trim().split("\n").at(-1) ?? "";
  const sentence = `making ${name} failed (${program}): ${last}`;
  throw new EmbeddedError("embedded-start-failed", sentence, result.tail);
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

function explain(folder: string, logTail: string): Error | undefined {
  if (/No space left on device|Disk quota exceeded/.test(logTail)) {
    return new DataFolderError("disk-full", `the disk of ${folder} is full: ${name} can't start`);
  }
  if (
    /could not open file|invalid data in file|could not locate a valid checkpoint|PANIC/.test(
      logTail,
    )
  ) {
    const sentence = `the database in ${folder} is broken; restore the data folder from a backup`;
    return new DataFolderError("data-folder-broken", sentence, { cause: new Error(logTail) });
  }
  return undefined;
}

/** Test runs mark their processes with DROVER_RUN, to find what was left behind. */
function runId(): NodeJS.ProcessEnv {
  const id = process.env["DROVER_RUN"];
  return id === undefined ? {} : { DROVER_RUN: id };
}
