// A whole control plane as a child process in a temporary folder, and callers for people and sites. Whatever
// a test does to it or how it ends: no server, Postgres or nats-server of it is left behind.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endLeftovers } from "@drover/server/embedded/child-process";
import { findFreePort } from "@drover/server/embedded/free-port";
import { findNatsServer } from "@drover/server/embedded/nats-binary";
import { processesIn } from "@drover/server/embedded/process-identity";
import type { Send } from "@drover/shared/api/client";
import { silentLog } from "@drover/shared/log";
import { afterAll } from "vitest";

const root = join(import.meta.dirname, "..", "..");

export interface TestControlPlane {
  readonly url: string;
  readonly data: string;
  readonly caPem: string;
  readonly adminToken: string;
  /** Calls with a bearer, or as nobody. */
  sender(bearer?: string): Send;
  put(path: string, bytes: Uint8Array): Promise<number>;
  /** Ends the process the hard way and starts another on the same folder and port. */
  crashAndRestart(): Promise<void>;
  /** Ends the process in good order and leaves its folder. */
  halt(): Promise<number | null>;
  /** Ends the process with SIGKILL; what it started runs on until the next start. */
  kill(): Promise<void>;
  /** Starts it again after `halt` or `kill`. */
  start(): Promise<void>;
  stop(): Promise<number | null>;
}

/** Folders that embedded services work in: the way to find what a killed server left. */
export const serviceFolders = (data: string) => ({
  postgres: join(data, "postgres", "cluster"),
  nats: join(data, "nats", "run"),
});

/** Every control plane of this test file that was not stopped yet. */
const open = new Map<string, () => Promise<unknown>>();
// Hooks run in reverse order: this one comes after those of the test file, also when they failed.
afterAll(async () => {
  for (const end of [...open.values()]) await end();
});
process.once("exit", () => {
  for (const data of open.keys())
    for (const folder of Object.values(serviceFolders(data)))
      for (const pid of processesIn(folder)) process.kill(pid, "SIGKILL");
});

async function endServices(data: string): Promise<void> {
  const { postgres, nats } = serviceFolders(data);
  await endLeftovers(nats, "SIGTERM");
  await endLeftovers(postgres, "SIGINT");
}

export interface ControlPlaneOptions {
  readonly port?: number;
  /** Where sites are told to reach it, e.g. a proxy before it. */
  readonly publicUrl?: string;
}

export async function withControlPlane(
  options: ControlPlaneOptions = {},
): Promise<TestControlPlane> {
  const data = mkdtempSync(join(tmpdir(), "drover-centre-"));
  const port = options.port ?? (await findFreePort("127.0.0.1"));
  const nats = await natsProgram();
  const more = options.publicUrl === undefined ? [] : ["--public-url", options.publicUrl];
  const args = ["--data", data, "--port", String(port), ...more];
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const ended = exitOf(child);
    child.kill(signal);
    return ended;
  };
  const stop = async (): Promise<number | null> => {
    const code = await end("SIGTERM");
    await endServices(data);
    rmSync(data, { recursive: true, force: true });
    open.delete(data);
    return code;
  };
  const begin = async (): Promise<void> => {
    child = spawnServer(args, nats);
    await readiness(child);
  };
  open.set(data, stop);
  await begin();
  const url = `https://127.0.0.1:${port}`;
  const caPem = readFileSync(join(data, "tls", "authority.crt"), "utf8");
  const adminToken = readFileSync(join(data, "secrets", "admin-token"), "utf8").trim();
  const sender = (bearer?: string): Send => sendTo(url, caPem, bearer);
  const kill = async (): Promise<void> => void (await end("SIGKILL"));
  return {
    url,
    data,
    caPem,
    adminToken,
    sender,
    async put(path, bytes) {
      const target = { url: url + path, caPem, bearer: adminToken };
      return (await exchange({ ...target, method: "PUT", bytes })).status;
    },
    async crashAndRestart() {
      await kill();
      await begin();
    },
    halt: () => end("SIGTERM"),
    kill,
    start: begin,
    stop,
  };
}

async function natsProgram(): Promise<string> {
  const cacheFolder = process.env["DROVER_CACHE"] ?? join(root, ".cache");
  mkdirSync(cacheFolder, { recursive: true });
  const path = process.env["PATH"] ?? "";
  const explicit = process.env["NATS_SERVER"];
  const signal = new AbortController().signal;
  const found = await findNatsServer({ explicit, path, cacheFolder, log: silentLog, signal });
  return found.program;
}

function spawnServer(args: readonly string[], nats: string): ChildProcess {
  const program = join(root, "control-plane/server/src/main.ts");
  const env = { ...process.env, NATS_SERVER: nats };
  return spawn(process.execPath, [program, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
}

function readiness(child: ChildProcess): Promise<void> {
  return new Promise((settle, reject) => {
    let log = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-4000);
      if (process.env["DROVER_TEST_LOG"]) process.stderr.write(text);
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes('"ready":true')) settle();
    });
    child.once("exit", (code) => reject(new Error(`the control plane ended with ${code}: ${log}`)));
  });
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((settle) => {
    child.once("exit", (code) => settle(code));
  });

function sendTo(url: string, caPem: string, bearer?: string): Send {
  return ({ method, path, body, headers }) =>
    exchange({
      url: url + path,
      caPem,
      method,
      headers,
      ...(bearer === undefined ? {} : { bearer }),
      ...(body === undefined ? {} : { bytes: Buffer.from(body) }),
    });
}

export function exchange(input: {
  url: string;
  caPem: string;
  method: string;
  headers?: Record<string, string>;
  bytes?: Uint8Array;
  bearer?: string;
}): Promise<{ status: number; text: string; headers: IncomingHttpHeaders }> {
  const login = input.bearer === undefined ? {} : { authorization: `Bearer ${input.bearer}` };
  const headers = { ...input.headers, ...login };
  return new Promise((settle, reject) => {
    const sent = request(
      input.url,
      { method: input.method, headers, ca: input.caPem },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
        });
        answer.on("end", () =>
          settle({ status: answer.statusCode ?? 0, text, headers: answer.headers }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(input.bytes);
  });
}
