// A real nats-server inside the data folder: TLS, signed identities and JetStream, supervised. Its
// store may be lost at any time; the database and the sites can fill it again.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Log } from "@drover/shared/log";
import { endLeftovers } from "./child-process.ts";
import { DataFolderError, EmbeddedError } from "./errors.ts";
import { findFreePort, isPortFree, keepPort, readPort } from "./free-port.ts";
import { findNatsServer, type NatsBinary } from "./nats-binary.ts";
import { type NatsConfig, type NatsTrust, writeNatsConfig } from "./nats-config.ts";
import { runCommand } from "./run-command.ts";
import { type ServiceEvent, supervise } from "./supervisor.ts";

export interface EmbeddedNatsOptions {
  /** The `nats` part of the data folder, held by us alone. */
  readonly folder: string;
  readonly logFolder: string;
  readonly cacheFolder: string;
  /** A nats-server chosen by the operator. */
  readonly program?: string | undefined;
  readonly path: string;
  readonly trust: NatsTrust;
  readonly tls: NatsConfig["tls"];
  readonly serverName: string;
  /** 127.0.0.1 by default. */
  readonly listenHost?: string;
  /** Fixed port; without one the port of the last start is kept, or a free one chosen. */
  readonly port?: number | undefined;
  readonly payloadBytesMax?: number;
  readonly storeBytesMax?: number;
  readonly connectionsMax?: number;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ServiceEvent) => void;
}

export interface EmbeddedNats {
  /** `tls://` URL. */
  readonly url: string;
  readonly port: number;
  readonly version: string;
  pid(): number;
  /** Makes the server read its certificate again; connections go on. */
  reload(): void;
  stop(): Promise<void>;
}

const name = "the embedded nats-server";
const mebibyte = 1024 * 1024;

/** @throws EmbeddedError | DataFolderError, one sentence each */
export async function startEmbeddedNats(options: EmbeddedNatsOptions): Promise<EmbeddedNats> {
  const runFolder = join(options.folder, "run");
  mkdirSync(runFolder, { recursive: true, mode: 0o700 });
  await endLeftovers(runFolder, "SIGTERM");
  const binary = await findNatsServer({
    explicit: options.program,
    path: options.path,
    cacheFolder: options.cacheFolder,
    log: options.log,
    signal: options.signal,
  });
  const host = options.listenHost ?? "127.0.0.1";
  const port = await choosePort(options, host);
  const configFile = join(options.folder, "nats.conf");
  writeConfig(configFile, toConfig(options, host, port));
  await checkConfig(binary, configFile, options.path);
  const service = await supervise({
    name,
    spec: {
      program: binary.program,
      args: ["-c", configFile],
      cwd: runFolder,
      logFile: join(options.logFolder, "nats.log"),
      stopSignals: [{ signal: "SIGTERM", waitMs: 10_000 }],
    },
    prepare: async () => {
      await endLeftovers(runFolder, "SIGTERM");
    },
    isReady: async () => greets(port, host),
    readyWithinMs: 120_000,
    log: options.log,
    onEvent: options.onEvent,
    explain: (tail) => explain(options.folder, { host, port }, tail),
  });
  return {
    url: `tls://${reachable(host)}:${port}`,
    port,
    version: binary.version,
    pid: () => service.pid(),
    reload: () => void process.kill(service.pid(), "SIGHUP"),
    stop: () => service.stop(),
  };
}

/** Where a server that listens on every address can be reached from here. */
function reachable(listenHost: string): string {
  if (listenHost === "0.0.0.0") return "127.0.0.1";
  return listenHost === "::" ? "::1" : listenHost;
}

function toConfig(options: EmbeddedNatsOptions, listenHost: string, port: number): NatsConfig {
  return {
    serverName: options.serverName,
    listenHost,
    port,
    tls: options.tls,
    storeFolder: join(options.folder, "store"),
    storeBytesMax: options.storeBytesMax ?? 8192 * mebibyte,
    payloadBytesMax: options.payloadBytesMax ?? mebibyte,
    connectionsMax: options.connectionsMax ?? 60_000,
    trust: options.trust,
    resolverFolder: join(options.folder, "accounts"),
  };
}

/** Sites know this port, so a busy one is an error and not replaced. */
async function choosePort(options: EmbeddedNatsOptions, host: string): Promise<number> {
  const file = join(options.folder, "port");
  const wanted = options.port ?? readPort(file);
  if (wanted === undefined) {
    const port = await findFreePort(host);
    keepPort(file, port);
    return port;
  }
  if (await isPortFree(wanted, host)) {
    keepPort(file, wanted);
    return wanted;
  }
  throw busy(host, wanted);
}

function busy(host: string, port: number): EmbeddedError {
  const sentence = `port ${port} of ${host}, which ${name} needs, is used by another program: stop that one or choose another port`;
  return new EmbeddedError("embedded-port-busy", sentence);
}

function writeConfig(file: string, config: NatsConfig): void {
  writeFileSync(`${file}.new`, writeNatsConfig(config), { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}

async function checkConfig(binary: NatsBinary, file: string, path: string): Promise<void> {
  const result = await runCommand(binary.program, ["-t", "-c", file], { env: { PATH: path } });
  if (result.exitCode === 0) return;
  const sentence = `nats-server ${binary.version} refuses its configuration: ${result.tail.trim().split("\n").at(-1) ?? ""}`;
  throw new EmbeddedError("embedded-start-failed", sentence, result.tail);
}

/** A nats-server speaks first: its INFO line comes before TLS begins. */
function greets(port: number, host: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ port, host: reachable(host) });
    const finish = (answer: boolean): void => {
      socket.destroy();
      settle(answer);
    };
    socket.setTimeout(1_000, () => finish(false));
    socket.once("data", (bytes) => finish(bytes.toString("latin1").startsWith("INFO ")));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
  });
}

function explain(
  folder: string,
  at: { host: string; port: number },
  logTail: string,
): Error | undefined {
  if (/no space left on device|disk quota exceeded/i.test(logTail)) {
    return new DataFolderError("disk-full", `the disk of ${folder} is full: ${name} can't start`);
  }
  if (/address already in use/i.test(logTail)) return busy(at.host, at.port);
  return undefined;
}
