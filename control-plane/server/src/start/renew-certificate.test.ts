// A control plane that runs on past the life of its certificate: real files and a real listener, another clock.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { silentLog } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { findFreePort } from "../embedded/free-port.ts";
import { openTlsAuthority } from "../embedded/tls-authority.ts";
import { type HttpsServer, listenHttps } from "../http/https-server.ts";
import { keepCertificateYoung } from "./renew-certificate.ts";

const dayMs = 86_400_000;
/** The certificate lives for 397 days and is renewed 90 days before it ends. */
const runDays = 310;
let folder = "";
let server: HttpsServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-renew-"));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** Serial number of the certificate that a new connection is shown; throws unless the authority made it. */
function serialAt(port: number, authority: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: "127.0.0.1", port, ca: authority, servername: "localhost" },
      () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      },
    );
    socket.once("error", reject);
  });
}

test("After 310 days a listener that never stopped shows a new certificate of the same authority.", async () => {
  // Both certificates have to hold today, where the test connects.
  let now = Date.now() - runDays * dayMs;
  const open = () => openTlsAuthority({ folder, names: [], now });
  const tls = open();
  const port = await findFreePort("127.0.0.1");
  const fetch = () => new Response("hello");
  const listening = await listenHttps({ fetch, tls, host: "127.0.0.1", port });
  server = listening;
  const first = await serialAt(port, tls.authorityPem);
  const stop = new AbortController();
  let days = 0;
  const clock = {
    now: () => now,
    monotonicMs: () => now,
    // Every wait of the loop takes a day.
    wait: async () => {
      now += dayMs;
      days += 1;
      if (days === runDays) stop.abort();
      await new Promise(setImmediate);
    },
  };
  const handOver = vi.fn(() => listening.renewCertificate());
  const random = seededRandom(1);
  const { signal } = stop;
  await keepCertificateYoung({ tls, open, handOver, clock, random, log: silentLog, signal }).done;
  const second = await serialAt(port, tls.authorityPem);
  expect(second).not.toBe(first);
  expect(handOver, "once").toHaveBeenCalledTimes(1);
});

test("A listener that could not take it is asked again.", async () => {
  let now = Date.now();
  const open = () => openTlsAuthority({ folder, names: ["late.example"], now });
  const tls = { ...open(), renewAt: 0 };
  const stop = new AbortController();
  const clock = {
    now: () => now,
    monotonicMs: () => now,
    wait: async () => {
      now += 1;
      await new Promise(setImmediate);
    },
  };
  let calls = 0;
  const handOver = () => {
    calls += 1;
    if (calls === 1) throw new Error("nats-server is just being started again");
    stop.abort();
  };
  const random = seededRandom(1);
  const { signal } = stop;
  await keepCertificateYoung({ tls, open, handOver, clock, random, log: silentLog, signal }).done;
  expect(calls).toBe(2);
});
