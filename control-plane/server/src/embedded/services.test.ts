// Rules of the embedded services that need no service: restarts, versions, mirrors, configuration.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@drover/shared/log";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readMirrors } from "./debian-package.ts";
import { isAtLeast } from "./nats-binary.ts";
import { type NatsConfig, writeNatsConfig } from "./nats-config.ts";
import { decideRestart, defaultRestartPolicy } from "./restart-policy.ts";
import { type ServiceEvent, supervise } from "./supervisor.ts";

describe("restarting", () => {
  test("waits longer after each death and gives up after the allowed tries", () => {
    const delays: (number | string)[] = [];
    const diedAt: number[] = [];
    for (let at = 0; at < 7; at += 1) {
      diedAt.push(at);
      const decision = decideRestart(defaultRestartPolicy, diedAt, at);
      delays.push(decision.kind === "restart" ? decision.delayMs : decision.kind);
      expect(decision.because).toHaveLength(1);
    }
    expect(delays).toEqual([200, 400, 800, 1600, 3200, 6400, "give-up"]);
  });

  test("forgets deaths older than the window", () => {
    const old = [0, 1, 2, 3, 4, 5, 6];
    const decision = decideRestart(defaultRestartPolicy, [...old, 500_000], 500_000);
    expect(decision).toMatchObject({ kind: "restart", delayMs: 200 });
  });
});

describe("supervision", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "drover-supervise-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const shell = (script: string, events: ServiceEvent[] = []) => ({
    name: "the test service",
    spec: {
      program: "/bin/sh",
      args: ["-c", script],
      cwd: folder,
      logFile: join(folder, "log"),
      stopSignals: [{ signal: "SIGTERM" as const, waitMs: 5_000 }],
    },
    isReady: async () => true,
    readyWithinMs: 5_000,
    log: silentLog,
    onEvent: (event: ServiceEvent) => void events.push(event),
  });

  test("a first start that fails says the last line of its log", async () => {
    const options = {
      ...shell("echo first; echo the disk is gone; exit 3"),
      isReady: async () => false,
    };
    await expect(supervise(options)).rejects.toMatchObject({
      code: "embedded-start-failed",
      message: expect.stringContaining("the disk is gone"),
    });
  });

  test("a program that is not there is a failed start", async () => {
    const options = shell("");
    const spec = { ...options.spec, program: "/nowhere/program" };
    const start = supervise({ ...options, spec, isReady: async () => false });
    await expect(start).rejects.toMatchObject({ code: "embedded-start-failed" });
  });

  test("a service that keeps dying is given up and reported once", async () => {
    const events: ServiceEvent[] = [];
    const policy = { triesMax: 2, windowMs: 60_000, firstDelayMs: 1, delayMsMax: 1 };
    const service = await supervise({ ...shell("exit 1", events), policy });
    await vi.waitUntil(() => events.some(({ kind }) => kind === "gave-up"));
    expect(events.filter(({ kind }) => kind === "gave-up")).toHaveLength(1);
    await service.stop();
  });

  test("a stop ends the service and starts nothing again", async () => {
    const events: ServiceEvent[] = [];
    const service = await supervise(shell("exec sleep 60", events));
    await service.stop();
    expect(events.map(({ kind }) => kind)).toEqual(["ready"]);
  });
});

test("versions are compared part by part, not as text", () => {
  expect(isAtLeast("2.10.27", [2, 10, 27])).toBe(true);
  expect(isAtLeast("2.9.30", [2, 10, 27])).toBe(false);
  expect(isAtLeast("2.11.0", [2, 10, 27])).toBe(true);
});

test("mirrors are read from both forms of package lists, comments left out", () => {
  const lists = [
    "# deb http://commented.example/debian trixie main",
    "deb [signed-by=/k.gpg] http://one.example/debian trixie main",
    "URIs: http://two.example/debian http://three.example/debian",
    "# URIs: http://commented.example/debian",
  ];
  expect(readMirrors(lists.join("\n"))).toEqual([
    "http://one.example/debian",
    "http://two.example/debian",
    "http://three.example/debian",
  ]);
});

test("no value can break out of its place in the nats-server configuration", () => {
  const config: NatsConfig = {
    serverName: 'x" } authorization { user: "evil\n',
    listenHost: "::1",
    port: 4222,
    tls: { certificateFile: "/a", keyFile: "/b" },
    storeFolder: "/c",
    storeBytesMax: 1,
    payloadBytesMax: 2,
    connectionsMax: 3,
    trust: { operatorJwt: "o", systemAccount: "s", accountJwts: { B: "2", A: "1" } },
    resolverFolder: "/d",
  };
  const text = writeNatsConfig(config);
  expect(text).toContain(String.raw`server_name: "x\" } authorization { user: \"evil\n"`);
  expect(text).toContain('listen: "[::1]:4222"');
  expect(text.indexOf("  A:")).toBeLessThan(text.indexOf("  B:"));
});
