// A hollow site under the real site agent and a centre in memory: a good image is committed node by node,
// a bad one falls back and is refused, and with the centre silent nothing changes release.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@drover/shared/clock";
import type { ImageId, Sha256 } from "@drover/shared/ids";
import type { Manifest } from "@drover/shared/image/manifest";
import { silentLog } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import type { ReleaseRef } from "@drover/shared/release/release";
import { generateNkey } from "@drover/shared/trust/nkey";
import { afterEach, expect, test } from "vitest";
import { jsonLog } from "../json-log.ts";
import { openDatabase } from "../site/database.ts";
import { FakeCentre, testNode, testRelease } from "../site/fake-centre.ts";
import type { ImageCache } from "../site/image-cache.ts";
import { SiteRuntime } from "../site/site-runtime.ts";
import { systemClock } from "../system-clock.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { HollowSite } from "./hollow-site.ts";

const speed = 60;
/** Time sixty times as fast, so that minutes of a rollout pass in seconds. */
const fastClock: Clock = {
  now: () => Math.round(1_800_000_000_000 + systemClock.monotonicMs() * speed),
  monotonicMs: () => systemClock.monotonicMs() * speed,
  wait: (ms, signal) => systemClock.wait(ms / speed, signal),
};

const manifestOf = (imageId: ImageId) =>
  ({
    verity: { rootHash: `${imageId.slice(0, 32)}${"0".repeat(32)}` as Sha256 },
    artefacts: { root: { sizeBytes: 10 }, kernel: { sizeBytes: 1 }, initrd: { sizeBytes: 1 } },
  }) as Manifest;

function memoryCache(): ImageCache {
  const held = new Map<ImageId, Manifest>();
  return {
    whole: () => [...held.keys()],
    manifest: (imageId) => held.get(imageId),
    path: () => undefined,
    ensure: async ({ imageId }: ReleaseRef) => void held.set(imageId, manifestOf(imageId)),
    evict: async (imageId) => void held.delete(imageId),
    sizeBytes: () => 0,
  };
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startHollow(centre: FakeCentre, faults: readonly FaultPlan[]) {
  const folder = await mkdtemp(join(tmpdir(), "hollow-site-"));
  const worker = new URL("../site/database-worker.ts", import.meta.url);
  const database = openDatabase(join(folder, "site.sqlite"), worker);
  const stop = new AbortController();
  const log = process.env["DEBUG_HOLLOW"]
    ? jsonLog((line) => process.stderr.write(line), "debug")
    : silentLog;
  const runtime = await SiteRuntime.open({
    identity: centre.identity(),
    nkey: generateNkey("user"),
    centre,
    database,
    clock: fastClock,
    random: seededRandom(1),
    log,
    reconnect: { waitMs: 100, jitterMs: 0 },
    agentVersion: "0.0.1",
    timeZone: "UTC",
    openCache: async () => memoryCache(),
  });
  const parts = { runtime, faults, clock: fastClock, log, agentVersion: "0.0.1" };
  const hollow = new HollowSite({ ...parts, bootMs: 2_000, tickMs: 1_000 });
  const done = Promise.all([runtime.run(stop.signal), hollow.run(stop.signal)]);
  cleanups.push(async () => {
    stop.abort(new Error("the test is over"));
    await done;
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { runtime, hollow };
}

/** Waits for a named fact, bounded. */
async function until(what: string, isTrue: () => boolean): Promise<void> {
  const endsAt = performance.now() + 15_000;
  while (!isTrue()) {
    if (performance.now() > endsAt) throw new Error(`did not come true in time: ${what}`);
    await systemClock.wait(20);
  }
}

const running = (hollow: HollowSite) =>
  [...hollow.states().values()].map((state) => state.booted?.imageId?.[0]);
const phases = (hollow: HollowSite) =>
  [...hollow.states().values()].map((state) => state.progress.phase);

test("A good image is committed on every node, one node at a time, each with a grant of its own.", async () => {
  const centre = new FakeCentre([testNode(1), testNode(2)]);
  const { hollow } = await startHollow(centre, []);
  await until("both nodes run v1", () => running(hollow).join() === "1,1");
  centre.assign(testRelease("2", 2));
  await until("both nodes are steady on v2", () => {
    const isSteady = phases(hollow).every((phase) => phase === "steady");
    return running(hollow).join() === "2,2" && isSteady;
  });
  expect(centre.grants.map(({ nodes }) => nodes.length)).toEqual([1, 1]);
  expect(new Set(centre.grants.flatMap(({ nodes }) => nodes.map(({ node }) => node))).size).toBe(2);
  const events = () =>
    [...centre.reports.values()].flatMap((report) =>
      report.kind === "node-event" ? [report.event] : [],
    );
  await until(
    "both commits were reported",
    () => events().filter((event) => event === "committed").length >= 2,
  );
}, 30_000);

test("An image that panics falls back, is refused, and is not asked for again.", async () => {
  const centre = new FakeCentre([testNode(1)]);
  const bad = testRelease("3", 3);
  const fault = { seed: 1, imageId: bad.imageId, kind: "panics-at-boot", share: 1 } as const;
  const { hollow } = await startHollow(centre, [fault]);
  await until("the node runs v1", () => running(hollow).join() === "1");
  centre.assign(bad);
  await until("the node fell back", () => phases(hollow).join() === "fallen-back");
  const [state] = hollow.states().values();
  expect(state?.booted?.imageId).toBe(testRelease("1", 1).imageId);
  expect(state?.refusals.map(({ imageId }) => imageId)).toEqual([bad.imageId]);
  expect(state?.slots.b.condition).toBe("bad");
  expect(centre.grants.length).toBe(1);
}, 30_000);

test("Without a grant no node changes release, and it is ready when one comes.", async () => {
  const centre = new FakeCentre([testNode(1)]);
  const { hollow } = await startHollow(centre, []);
  await until("the node runs v1", () => running(hollow).join() === "1");
  centre.isGranting = false;
  centre.assign(testRelease("2", 2));
  await until("the slot is verified", () => phases(hollow).join() === "verified");
  await until("the refusal is known", () =>
    [...hollow.states().values()].some((state) => state.because.includes("the rollout is halted")),
  );
  expect(running(hollow)).toEqual(["1"]);
  centre.isGranting = true;
  await until("the node is on v2", () => running(hollow).join() === "2");
}, 30_000);
