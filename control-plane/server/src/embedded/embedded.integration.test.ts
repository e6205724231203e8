// The embedded services for real: started, killed, found again, stopped. Needs Postgres programs and a
// nats-server (fetched into a cache that outlives the test).
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@drover/shared/log";
import { connect, jwtAuthenticator, nkeys } from "@nats-io/transport-node";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startChild } from "./child-process.ts";
import { type EmbeddedNats, startEmbeddedNats } from "./nats.ts";
import type { NatsTrust } from "./nats-config.ts";
import { startEmbeddedPostgres } from "./postgres.ts";
import { identifyProcess, processesIn } from "./process-identity.ts";
import type { ServiceEvent } from "./supervisor.ts";
import { openTlsAuthority } from "./tls-authority.ts";

const path = process.env["PATH"] ?? "";
const cacheFolder = process.env["DROVER_CACHE"] ?? join(import.meta.dirname, "../../../../.cache");
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-embedded-"));
  for (const part of ["pg", "nats", "tls", "log"]) mkdirSync(join(folder, part));
  mkdirSync(cacheFolder, { recursive: true });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function postgresOptions(events: ServiceEvent[] = []) {
  return {
    folder: join(folder, "pg"),
    logFolder: join(folder, "log"),
    path,
    log: silentLog,
    onEvent: (event: ServiceEvent) => void events.push(event),
  };
}

async function count(url: string): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql`create table if not exists kept (at int)`;
    await sql`insert into kept values (1)`;
    const rows = await sql<{ n: number }[]>`select count(*)::int as n from kept`;
    return rows[0]?.n ?? 0;
  } finally {
    await sql.end();
  }
}

describe("the embedded Postgres", () => {
  test.each(["machine", "npm"] as const)(
    "from the %s keeps its rows over kill -9 and a restart",
    async (origin) => {
      const events: ServiceEvent[] = [];
      const options = { ...postgresOptions(events), origins: [origin] };
      const found = await startEmbeddedPostgres(options).catch((error: unknown) => error);
      // A computer without its own Postgres has nothing to show for the first case.
      if (found instanceof Error) {
        expect(origin).toBe("machine");
        expect(found).toMatchObject({ code: "embedded-program-missing" });
        return;
      }
      const first = found as Awaited<ReturnType<typeof startEmbeddedPostgres>>;
      expect(await count(first.url)).toBe(1);
      process.kill(first.pid(), "SIGKILL");
      await vi.waitUntil(() => events.filter(({ kind }) => kind === "ready").length === 2, 30_000);
      expect(await count(first.url)).toBe(2);
      await first.stop();
      expect(processesIn(join(folder, "pg", "cluster"))).toEqual([]);
      const second = await startEmbeddedPostgres(options);
      expect(second.port).toBe(first.port);
      expect(await count(second.url)).toBe(3);
      await second.stop();
    },
  );

  test("ends what a killed server left running before it starts again", async () => {
    const first = await startEmbeddedPostgres(postgresOptions());
    await first.stop();
    const cluster = join(folder, "pg", "cluster");
    const orphan = startChild({
      program: "/bin/sleep",
      args: ["600"],
      cwd: cluster,
      logFile: join(folder, "log", "orphan.log"),
      stopSignals: [],
    });
    const second = await startEmbeddedPostgres(postgresOptions());
    await orphan.ended;
    expect(identifyProcess(orphan.pid)).toBeUndefined();
    await second.stop();
  });
});

test("a damaged or vanished database is refused in one sentence and not made anew", async () => {
  const first = await startEmbeddedPostgres(postgresOptions());
  await first.stop();
  rmSync(join(folder, "pg", "cluster", "global", "pg_control"));
  await expect(startEmbeddedPostgres(postgresOptions())).rejects.toMatchObject({
    code: "data-folder-broken",
  });
  rmSync(join(folder, "pg", "cluster"), { recursive: true });
  await expect(startEmbeddedPostgres(postgresOptions())).rejects.toMatchObject({
    code: "data-folder-broken",
    message: expect.stringContaining("has gone"),
  });
});

interface Signer {
  readonly key: string;
  jwt(claims: object): string;
}

function signer(kind: "operator" | "account"): Signer {
  const pair = kind === "operator" ? nkeys.createOperator() : nkeys.createAccount();
  const key = pair.getPublicKey();
  return {
    key,
    jwt(claims) {
      const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
      const body = { jti: "1", iat: Math.floor(Date.now() / 1000), iss: key, ...claims };
      const text = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode(body)}`;
      const signature = pair.sign(new TextEncoder().encode(text));
      return `${text}.${Buffer.from(signature).toString("base64url")}`;
    },
  };
}

function trustWithUser(): { trust: NatsTrust; userJwt: string; userSeed: Uint8Array } {
  const [operator, system, fleet] = [signer("operator"), signer("account"), signer("account")];
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true };
  const more = { conn: -1, leaf: -1, disk_storage: -1, mem_storage: -1, streams: -1, consumer: -1 };
  const account = (sub: string, all: object) =>
    operator.jwt({ sub, name: sub, nats: { type: "account", version: 2, limits: all } });
  const user = nkeys.createUser();
  return {
    trust: {
      operatorJwt: operator.jwt({
        sub: operator.key,
        nats: { type: "operator", version: 2, system_account: system.key },
      }),
      systemAccount: system.key,
      accountJwts: {
        [system.key]: account(system.key, { ...limits, conn: -1, leaf: -1 }),
        [fleet.key]: account(fleet.key, { ...limits, ...more }),
      },
    },
    userJwt: fleet.jwt({
      sub: user.getPublicKey(),
      nats: { type: "user", version: 2, subs: -1, data: -1, payload: -1 },
    }),
    userSeed: user.getSeed(),
  };
}

describe("the embedded nats-server", () => {
  const tls = () => openTlsAuthority({ folder: join(folder, "tls"), names: [], now: Date.now() });

  function start(trust: NatsTrust, events: ServiceEvent[], port?: number): Promise<EmbeddedNats> {
    return startEmbeddedNats({
      folder: join(folder, "nats"),
      logFolder: join(folder, "log"),
      cacheFolder,
      program: process.env["NATS_SERVER"],
      path,
      trust,
      tls: tls(),
      serverName: "drover-test",
      port,
      log: silentLog,
      onEvent: (event) => void events.push(event),
    });
  }

  test("takes a signed user over TLS, refuses a stranger, and comes back after kill -9", async () => {
    const { trust, userJwt, userSeed } = trustWithUser();
    const events: ServiceEvent[] = [];
    const nats = await start(trust, events);
    const known = () => ({
      servers: nats.url,
      tls: { ca: tls().authorityPem },
      authenticator: jwtAuthenticator(userJwt, userSeed),
    });
    const connection = await connect(known());
    await connection.request("nobody.there").catch(() => undefined);
    await connection.close();
    await expect(connect({ servers: nats.url, tls: { ca: tls().authorityPem } })).rejects.toThrow();
    await expect(connect({ ...known(), tls: {} })).rejects.toThrow();
    nats.reload();
    const log = join(folder, "log", "nats.log");
    await vi.waitUntil(() => readFileSync(log, "utf8").includes("Reloaded server configuration"));
    process.kill(nats.pid(), "SIGKILL");
    await vi.waitUntil(() => events.filter(({ kind }) => kind === "ready").length === 2, 30_000);
    await (await connect(known())).close();
    await nats.stop();
    expect(processesIn(join(folder, "nats", "run"))).toEqual([]);
  });

  test("says in one sentence that its port is used by another program", async () => {
    const blocker = createServer();
    await new Promise<void>((done) => void blocker.listen(0, "127.0.0.1", done));
    const address = blocker.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    await expect(start(trustWithUser().trust, [], port)).rejects.toMatchObject({
      code: "embedded-port-busy",
      message: expect.stringContaining(`port ${port} of 127.0.0.1`),
    });
    await new Promise((done) => void blocker.close(done));
  });
});
