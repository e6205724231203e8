// A site's identity on the bus reaches its own subjects and nothing else, and ends when it is revoked.
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { streams, subjects } from "@drover/shared/subjects";
import { generateNkey } from "@drover/shared/trust/nkey";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectSite, enrolSite, openSession, type ScriptedSite } from "./scripted-site.ts";
import { type TestControlPlane, withControlPlane } from "./with-control-plane.ts";

let centre: TestControlPlane;
let a: ScriptedSite;
let b: ScriptedSite;
beforeAll(async () => {
  centre = await withControlPlane();
  a = await enrolSite(centre, "site A");
  b = await enrolSite(centre, "site B");
});
afterAll(async () => {
  expect(await centre.stop()).toBe(0);
});

/** Collects what the server refuses while `act` runs. */
async function refusals(bus: NatsConnection, act: () => void): Promise<string[]> {
  const refused: string[] = [];
  const watching = (async () => {
    for await (const status of bus.status())
      if (status.type === "error") refused.push(String(status.error.message));
  })();
  act();
  await bus.flush();
  await bus.close();
  await watching;
  return refused;
}

test.each([
  ["another site's reports", () => subjects.report(b.id, "node-state")],
  ["another site's beats", () => subjects.beat(b.id)],
  ["another site's grants", () => subjects.grant(b.id)],
  ["its own desired state", () => subjects.desired(a.id)],
  ["another site's acknowledgements", () => subjects.ack(b.id)],
  ["the stream administration", () => `$JS.API.STREAM.DELETE.${streams.desired}`],
  ["the generic direct get", () => `$JS.API.DIRECT.GET.${streams.desired}`],
  ["another site's direct get", () => subjects.desiredGet(b.id)],
  ["the system account", () => "$SYS.REQ.SERVER.PING"],
  ["a foreign inbox", () => `_INBOX.${b.id}.x`],
])("A site can't publish to %s.", async (_what, subject) => {
  const bus = await connectSite(centre, a);
  const refused = await refusals(bus, () => bus.publish(subject(), "x"));
  expect(refused.join()).toMatch(/permissions violation/i);
});

test.each([
  ["another site's pushes", () => subjects.push(b.id)],
  ["everybody's pushes", () => "drover.push.>"],
  ["another site's acknowledgements", () => subjects.ack(b.id)],
  ["everybody's inboxes", () => "_INBOX.>"],
  ["another site's inbox", () => `_INBOX.${b.id}.>`],
  ["everything", () => ">"],
])("A site can't listen to %s.", async (_what, subject) => {
  const bus = await connectSite(centre, a);
  const refused = await refusals(bus, () => {
    bus.subscribe(subject(), { callback: () => undefined });
  });
  expect(refused.join()).toMatch(/permissions violation/i);
});

test("A stolen JWT is worthless without its key.", async () => {
  const thief = { ...a, nkey: generateNkey("user") };
  await expect(connectSite(centre, thief)).rejects.toThrow(/authorization/i);
});

test("A quarantined site is cut off, can't come back, and other sites stay.", async () => {
  const victim = await enrolSite(centre, "site C");
  const [bus, other] = [await connectSite(centre, victim), await connectSite(centre, b)];
  const closed = bus.closed();
  const admin = centre.sender(centre.adminToken);
  const params = { site: victim.id };
  const body = { status: "quarantined", reason: "stolen box" } as const;
  await call(admin, fleetApi.setSiteStatus, { params, body });
  await closed;
  await expect(connectSite(centre, victim)).rejects.toThrow();
  await expect(openSession(centre, victim.id, victim.nkey)).rejects.toThrow(/challenge/);
  expect(other.isClosed()).toBe(false);
  await other.close();
  await call(admin, fleetApi.setSiteStatus, {
    params,
    body: { status: "active", reason: "found" },
  });
  const again = await openSession(centre, victim.id, victim.nkey);
  await vi.waitFor(async () => (await connectSite(centre, again)).close(), 10_000);
});
