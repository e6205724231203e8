// The whole way of one change: a scripted site enrols, reports, is assigned a release, asks for its grant and
// commits; after a halt nothing more is granted. Acknowledged means stored, over a kill of the server too.
import { agentApi } from "@drover/shared/api/agent-api";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import { NodeClass, type NodeId } from "@drover/shared/ids";
import { DesiredBody, DesiredDocument } from "@drover/shared/messages/desired";
import { ownVersions, readMessage } from "@drover/shared/messages/envelope";
import { GrantDocument } from "@drover/shared/messages/grant";
import type { Report } from "@drover/shared/messages/report";
import type { ReleaseRef } from "@drover/shared/release/release";
import { subjects } from "@drover/shared/subjects";
import { openDocument, payloadTypes, type SigningRole } from "@drover/shared/trust/dsse";
import { trustFirstRoot } from "@drover/shared/trust/release-metadata";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { publishReleases } from "./sample-release.ts";
import {
  askGrant,
  beatBytes,
  connectSite,
  enrolSite,
  reportBytes,
  type ScriptedSite,
  sendReports,
} from "./scripted-site.ts";
import { type TestControlPlane, withControlPlane } from "./with-control-plane.ts";

const lite = NodeClass.parse("lite");
const patience = { timeout: 30_000, interval: 100 };
let centre: TestControlPlane;
let site: ScriptedSite;
let bus: NatsConnection;
let node: NodeId;
let fleet: SigningRole;
let [v1, v2, v3]: ReleaseRef[] = [];

const admin = () => centre.sender(centre.adminToken);
const need = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error("the test has not got this far");
  return value;
};

function stateOf(running: ReleaseRef, phase: "steady" | "trial" = "steady"): Report {
  const slot = { condition: "good", imageId: running.imageId } as const;
  return {
    kind: "node-state",
    node,
    slots: {
      booted: "a",
      a: slot,
      b: { condition: "empty", imageId: null },
      measuredImageId: running.imageId,
    },
    update: {
      phase,
      imageId: null,
      rolloutId: null,
      grantId: null,
      attempt: 0,
      since: 1,
      doneBytes: 0,
      totalBytes: 0,
      because: [],
    },
    refusals: [],
    bootId: "boot-1",
    agentVersion: "0.1.0",
    accepts: ownVersions,
  };
}

/** What the site would read on a reconnect. */
async function desired(): Promise<DesiredDocument> {
  const message = await bus.request(subjects.desiredGet(site.id), "", { timeout: 5_000 });
  const reading = readMessage(message.data, { kind: "desired", body: DesiredBody });
  if (!reading.ok) throw new Error(reading.detail);
  const { payloadType, ...rest } = { payloadType: payloadTypes.desired, roles: [fleet] };
  return openDocument(reading.body.document, { payloadType, ...rest, schema: DesiredDocument });
}

async function draft(release: ReleaseRef) {
  const body = {
    name: `to ${release.semver}`,
    changeSet: { releases: { [lite]: release } },
    policy: { waves: [{ count: 1 }], soakMs: 0 },
  };
  return call(admin(), rolloutApi.createRollout, { body });
}

beforeAll(async () => {
  centre = await withControlPlane();
  [v1, v2, v3] = await publishReleases(centre, 3);
  const params = { class: lite };
  await call(admin(), fleetApi.putClass, {
    params,
    body: { release: "lite@1.0.0", channel: "dev" },
  });
  site = await enrolSite(centre, "Berlin 1");
  const root = await call(centre.sender(), agentApi.root, { params: { version: 1 } });
  fleet = need(trustFirstRoot(root.metadata).role("fleet"));
  const body = { macs: ["52:54:00:00:00:01"], class: lite };
  node = (await call(admin(), fleetApi.registerNode, { params: { site: site.id }, body })).id;
  bus = await connectSite(centre, site);
});
afterAll(async () => {
  expect(await centre.stop()).toBe(0);
});

test("A beat makes the site live.", async () => {
  bus.publish(subjects.beat(site.id), beatBytes(site.id, 1));
  await vi.waitFor(async () => {
    const view = await call(admin(), fleetApi.getSite, { params: { site: site.id } });
    expect(view.reachability).toBe("live");
  }, patience);
});

test("The site reads a signed document with its class's release and its node.", async () => {
  await vi.waitFor(async () => {
    const document = await desired();
    expect(document.classes[lite]?.committed).toEqual(v1);
    expect(document.nodes.map(({ id }) => id)).toEqual([node]);
  }, patience);
});

test("Reports are acknowledged once stored, repeats change nothing, HTTPS goes the same way.", async () => {
  const first = reportBytes(site.id, 1, stateOf(need(v1)));
  await sendReports(bus, site.id, [first, first], 1);
  const again = JSON.parse(new TextDecoder().decode(first));
  const sent = await call(centre.sender(site.bearer), agentApi.reports, {
    body: { messages: [again] },
  });
  expect(sent.acks).toEqual([{ outboxId: "o-00000001", upToSeq: 1 }]);
  const fleetView = await call(admin(), fleetApi.fleet);
  expect(fleetView.releases).toEqual({ "lite@1.0.0": 1 });
});

test("A rollout assigns, grants only with a fresh signed document, and finishes.", async () => {
  const { rollout, plan } = await draft(need(v2));
  expect(plan.waves.map((wave) => wave.sites)).toEqual([[site.id]]);
  const params = { rollout: rollout.id };
  await call(admin(), rolloutApi.startRollout, { params, body: { plan: plan.hash } });
  await vi.waitFor(async () => {
    expect((await desired()).classes[lite]?.assigned?.release).toEqual(v2);
  }, patience);
  const nonce = "n".repeat(22);
  const request = {
    rolloutId: rollout.id,
    rolloutEpoch: 1,
    class: lite,
    imageId: need(v2).imageId,
  };
  const reply = await askGrant(bus, site.id, { ...request, nodes: [{ node, nonce }] });
  if (reply.outcome === "denied") throw new Error(reply.because.join("; "));
  const grant = openDocument(reply.document, {
    payloadType: payloadTypes.grant,
    roles: [fleet],
    schema: GrantDocument,
  });
  expect(grant).toMatchObject({ site: site.id, rolloutId: rollout.id, nodes: [{ node, nonce }] });
  await sendReports(bus, site.id, [reportBytes(site.id, 2, stateOf(need(v2)))], 2);
  await vi.waitFor(async () => {
    const view = await call(admin(), rolloutApi.getRollout, { params });
    expect(view.state.phase).toBe("finished");
  }, patience);
});

test("After a halt no grant is given, over the bus or HTTPS, and why says so.", async () => {
  const { rollout, plan } = await draft(need(v3));
  const params = { rollout: rollout.id };
  await call(admin(), rolloutApi.startRollout, { params, body: { plan: plan.hash } });
  await call(admin(), rolloutApi.haltRollout, { params, body: { reason: "smoke in the shop" } });
  const nodes = [{ node, nonce: "m".repeat(22) }];
  const body = {
    rolloutId: rollout.id,
    rolloutEpoch: 1,
    class: lite,
    imageId: need(v3).imageId,
    nodes,
  };
  expect((await askGrant(bus, site.id, body)).outcome).toBe("denied");
  const message = { v: 1, kind: "grant-request", site: site.id, seq: 0, at: Date.now(), body };
  const reply = await call(centre.sender(site.bearer), agentApi.grant, { body: message });
  expect(reply.outcome).toBe("denied");
  const why = await call(admin(), rolloutApi.whyRollout, { params });
  expect(why).toMatchObject({
    headline: "halted in wave 1 by admin",
    because: ["smoke in the shop"],
  });
});

test("A frozen fleet starts nothing until a person unfreezes it.", async () => {
  const { rollout, plan } = await draft(need(v3));
  const params = { rollout: rollout.id };
  const start = () => call(admin(), rolloutApi.startRollout, { params, body: { plan: plan.hash } });
  await call(admin(), fleetApi.setFrozen, { body: { frozen: true, reason: "restored" } });
  await expect(start()).rejects.toThrow(/frozen/);
  const fleetView = await call(admin(), fleetApi.setFrozen, {
    body: { frozen: false, reason: "looked at it" },
  });
  expect(fleetView.frozen).toBe(false);
});

test("A start against a plan that the fleet has left is refused.", async () => {
  const { rollout, plan } = await draft(need(v3));
  const body = { macs: ["52:54:00:00:00:02"], class: lite };
  await call(admin(), fleetApi.registerNode, { params: { site: site.id }, body });
  await call(admin(), fleetApi.updateNode, { params: { node }, body: { hold: true } });
  await expect(
    call(admin(), rolloutApi.startRollout, {
      params: { rollout: rollout.id },
      body: { plan: plan.hash },
    }),
  ).rejects.toThrow(/not what it was|no site would change/);
});

test("What was acknowledged is there after a kill of the server.", async () => {
  await sendReports(bus, site.id, [reportBytes(site.id, 3, stateOf(need(v1)))], 3);
  await bus.close();
  await centre.crashAndRestart();
  const view = await call(admin(), fleetApi.getNode, { params: { node } });
  expect(view.running).toEqual(v1);
  bus = await connectSite(centre, site);
  await sendReports(bus, site.id, [reportBytes(site.id, 4, stateOf(need(v2)))], 4);
});
