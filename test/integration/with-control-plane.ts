// A whole control plane as a child process in a temporary folder, and callers for people and sites.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "@drover/server/embedded/free-port";
import { findNatsServer } from "@drover/server/embedded/nats-binary";
import type { Send } from "@drover/shared/api/client";
import { silentLog } from "@drover/shared/log";

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
  stop(): Promise<number | null>;
}

export async function withControlPlane(): Promise<TestControlPlane> {
  const data = mkdtempSync(join(tmpdir(), "drover-centre-"));
  const port = await findFreePort("127.0.0.1");
  const nats = await natsProgram();
  const state = { child: await start(data, port, nats) };
  const url = `https://127.0.0.1:${port}`;
  const caPem = readFileSync(join(data, "tls", "authority.crt"), "utf8");
  const adminToken = readFileSync(join(data, "secrets", "admin-token"), "utf8").trim();
  const sender = (bearer?: string): Send => sendTo(url, caPem, bearer);
  return {
    url,
    data,
    caPem,
    adminToken,
    sender,
    async put(path, bytes) {
      const answer = await exchange({
        url: url + path,
        caPem,
        method: "PUT",
        bytes,
        bearer: adminToken,
      });
      return answer.status;
    },
    async crashAndRestart() {
      const ended = exitOf(state.child);
      state.child.kill("SIGKILL");
      await ended;
      state.child = await start(data, port, nats);
    },
    async stop() {
      const ended = exitOf(state.child);
      state.child.kill("SIGTERM");
      const code = await ended;
      rmSync(data, { recursive: true, force: true });
      return code;
    },
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

function start(data: string, port: number, nats: string): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [join(root, "control-plane/server/src/main.ts"), "--data", data, "--port", String(port)],
    { env: { ...process.env, NATS_SERVER: nats }, stdio: ["ignore", "pipe", "pipe"] },
  );
  return new Promise((settle, reject) => {
    let log = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-4000);
      if (process.env["DROVER_TEST_LOG"]) process.stderr.write(text);
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes('"ready":true')) settle(child);
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
