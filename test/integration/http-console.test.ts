// What the console relies on: a one-time link becomes a cookie that other pages can't use, live events, and a
// bus that lost everything is filled again.
import { rmSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { processesIn } from "@drover/server/embedded/process-identity";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { liveEventsPath, sessionApi } from "@drover/shared/api/session-api";
import { subjects } from "@drover/shared/subjects";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectSite, enrolSite } from "./scripted-site.ts";
import { exchange, type TestControlPlane, withControlPlane } from "./with-control-plane.ts";

let centre: TestControlPlane;
const admin = () => centre.sender(centre.adminToken);
beforeAll(async () => {
  centre = await withControlPlane();
});
afterAll(async () => {
  expect(await centre.stop()).toBe(0);
});

const json = { "content-type": "application/json" };
const send = (method: string, path: string, headers: Record<string, string>, body?: object) =>
  exchange({
    url: centre.url + path,
    caPem: centre.caPem,
    method,
    headers,
    ...(body === undefined ? {} : { bytes: Buffer.from(JSON.stringify(body)) }),
  });

test("A one-time link opens one session, whose cookie needs the console's own origin to change things.", async () => {
  const { code } = await call(admin(), sessionApi.loginLink);
  const opened = await send("POST", "/api/v1/sessions", json, { code });
  expect(opened.status).toBe(200);
  const set = opened.headers["set-cookie"]?.[0] ?? "";
  expect(set).toMatch(/^__Host-drover-session=.*Path=\/; HttpOnly; Secure; SameSite=Strict/);
  expect((await send("POST", "/api/v1/sessions", json, { code })).status).toBe(403);
  const cookie = set.split(";")[0] ?? "";
  expect((await send("GET", "/api/v1/me", { cookie })).status).toBe(200);
  const body = { name: "x", region: "emea" };
  const foreign = { ...json, cookie, origin: "https://elsewhere.example" };
  expect((await send("POST", "/api/v1/sites", foreign, body)).status).toBe(403);
  expect((await send("POST", "/api/v1/sites", { ...json, cookie }, body)).status).toBe(403);
  const own = { ...json, cookie, origin: centre.url };
  expect((await send("POST", "/api/v1/sites", own, body)).status).toBe(200);
  expect((await send("DELETE", "/api/v1/sessions", own)).status).toBe(200);
  expect((await send("GET", "/api/v1/me", { cookie })).status).toBe(401);
});

test.each([
  ["/api/v1/fleet"],
  ["/api/v1/sites"],
  ["/api/v1/rollouts"],
  ["/api/v1/events"],
  ["/metrics"],
  ["/agent/v1/desired"],
])("Without a login %s is refused with a problem document.", async (path) => {
  const answer = await send("GET", path, {});
  expect(answer.status).toBe(401);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
});

test("A console hears of a change that was just stored.", async () => {
  const heard = new Promise<string>((settle, reject) => {
    const headers = { authorization: `Bearer ${centre.adminToken}` };
    const options = { ca: centre.caPem, headers };
    const stream = request(centre.url + liveEventsPath, options, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (!text.includes("event: site")) return;
        settle(text);
        stream.destroy();
      });
      // The answer has begun: whatever is stored from now on is heard.
      call(admin(), fleetApi.createSite, { body: { name: "heard", region: "emea" } }).catch(reject);
    });
    stream.on("error", () => undefined);
    stream.end();
  });
  expect(await heard).toMatch(/data: \{"topic":"site","id":"s-/);
});

test("A bus that lost its store is filled again with every desired document.", async () => {
  const site = await enrolSite(centre, "survivor");
  const read = async (): Promise<number> => {
    const bus = await connectSite(centre, site);
    try {
      const answer = await bus.request(subjects.desiredGet(site.id), "", { timeout: 2_000 });
      return answer.data.length;
    } finally {
      await bus.close();
    }
  };
  const patience = { timeout: 40_000, interval: 250 };
  await vi.waitFor(async () => expect(await read()).toBeGreaterThan(100), patience);
  const nats = join(centre.data, "nats");
  for (const pid of processesIn(join(nats, "run"))) process.kill(pid, "SIGKILL");
  rmSync(join(nats, "store"), { recursive: true, force: true });
  await vi.waitFor(async () => expect(await read()).toBeGreaterThan(100), patience);
});
