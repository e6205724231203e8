// Real agents against a real control plane: a site agent caches what it is assigned, hollow sites install,
// take a rollout with grants over the bus, and a bad image falls back and stays refused.
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningHollow, startHollow } from "@drover/agent/roles/hollow";
import { startSite } from "@drover/agent/roles/site";
import { keepIdentity, openNkey } from "@drover/agent/site/identity";
import { systemClock } from "@drover/agent/system-clock";
import { agentApi } from "@drover/shared/api/agent-api";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import { readEnrolment } from "@drover/shared/enrolment";
import { NodeClass, type SiteId } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import type { ReleaseRef } from "@drover/shared/release/release";
import { sha256Hex } from "@drover/shared/trust/digest";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type MadeImage, makeImage, noise } from "./agent-images.ts";
import { publishImages } from "./publish-images.ts";
import { type TestControlPlane, withControlPlane } from "./with-control-plane.ts";

const lite = NodeClass.parse("lite");
const patience = { timeout: 40_000, interval: 200 };
const scratch = mkdtempSync(join(tmpdir(), "agent-rollout-"));
const store = join(scratch, "store");
const stop = new AbortController();
const running: Promise<void>[] = [];
let centre: TestControlPlane;
let hollow: RunningHollow;
let images: MadeImage[] = [];
let releases: ReleaseRef[] = [];

const admin = () => centre.sender(centre.adminToken);

/** Makes a site and binds the folder to it, with the authority taken from the test's own centre. */
async function enrolInto(folder: string, name: string, isHollow: boolean): Promise<SiteId> {
  const policy = { provingMs: 2_000, trialDeadlineMs: 30_000, beatMs: 2_000 };
  const body = { name, region: "emea/de", hollow: isHollow, policy };
  const made = await call(admin(), fleetApi.createSite, { body });
  const nkey = await openNkey(folder);
  const { token } = readEnrolment(made.enrolment);
  const { root, trustFile, ...connection } = await call(centre.sender(), agentApi.enrol, {
    body: { token, nkey: nkey.public, agentVersion: "0.1.0" },
  });
  const { caPem, url } = centre;
  await keepIdentity(folder, { v: 1, url, connection: { ...connection, caPem }, root, trustFile });
  return made.site;
}

const common = () => ({
  agentVersion: "0.1.0",
  clock: systemClock,
  log: silentLog,
  databaseWorker: new URL("../../agent/src/site/database-worker.ts", import.meta.url),
});
const reconnect = { waitMs: 200, jitterMs: 200 };

beforeAll(async () => {
  const root = noise(5, 400_000);
  const first = await makeImage(scratch, store, root);
  const changed = Buffer.concat([
    root.subarray(0, 200_000),
    noise(6, 3_000),
    root.subarray(203_000),
  ]);
  const second = await makeImage(scratch, store, changed, first);
  const third = await makeImage(scratch, store, noise(11, 400_000));
  images = [first, second, third];
  centre = await withControlPlane();
  releases = await publishImages(centre, store, images);
  const params = { class: lite };
  const body = { release: "lite@1.0.0", channel: "dev" };
  await call(admin(), fleetApi.putClass, { params, body });
  const hollowFolder = join(scratch, "hollow");
  for (const number of [1, 2]) {
    const site = await enrolInto(
      join(hollowFolder, "sites", `h${number}`),
      `Hollow ${number}`,
      true,
    );
    const macs = [`52:54:00:00:01:0${number}`];
    await call(admin(), fleetApi.registerNode, { params: { site }, body: { macs, class: lite } });
  }
  hollow = await startHollow(
    {
      ...common(),
      settings: {
        dataFolder: hollowFolder,
        enrolments: [],
        faults: [{ seed: 1, imageId: third.imageId, kind: "panics-at-boot", share: 1 }],
        bootMs: 200,
        tickMs: 200,
        timeZone: "UTC",
        reconnect,
      },
    },
    stop.signal,
  );
  running.push(hollow.done);
});

afterAll(async () => {
  stop.abort(new Error("the test is over"));
  await Promise.all(running);
  await centre.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function startRollout(release: ReleaseRef) {
  const body = {
    name: `to ${release.semver}`,
    changeSet: { releases: { [lite]: release } },
    selection: { hollow: true },
    policy: { waves: [{ count: 1 }, { percent: 100 }], soakMs: 0 },
  };
  const { rollout, plan } = await call(admin(), rolloutApi.createRollout, { body });
  const params = { rollout: rollout.id };
  await call(admin(), rolloutApi.startRollout, { params, body: { plan: plan.hash } });
  return params;
}

/** Which release each hollow node runs, by the images' order; nodes that boot are left out. */
const runningNow = (): (number | undefined)[] =>
  hollow.sites.flatMap((site) =>
    [...site.states().values()].map(({ booted }) => {
      const position = images.findIndex(({ imageId }) => imageId === booted?.imageId);
      return position < 0 ? undefined : position + 1;
    }),
  );

test("Hollow sites install their class's release without a grant and say so.", async () => {
  await vi.waitFor(() => expect(runningNow()).toEqual([1, 1]), patience);
});

test("A site agent makes the committed image whole in its cache, byte for byte.", async () => {
  const dataFolder = join(scratch, "site");
  const site = await enrolInto(dataFolder, "Berlin 1", false);
  const macs = ["52:54:00:00:02:01"];
  await call(admin(), fleetApi.registerNode, { params: { site }, body: { macs, class: lite } });
  const listen = { ip: "127.0.0.1", port: 0 };
  const agent = await startSite(
    { ...common(), settings: { dataFolder, listen, reconnect } },
    stop.signal,
  );
  running.push(agent.done);
  const [first] = images;
  if (!first) throw new Error("the images were made before");
  await vi.waitFor(() => expect(agent.runtime.cache.whole()).toEqual([first.imageId]), patience);
  const cached = agent.runtime.cache.path(first.imageId, "root") ?? "";
  expect(sha256Hex(await readFile(cached))).toBe(first.manifest.artefacts.root.sha256);
});

test("A rollout brings every hollow node to the next release, grant by grant.", async () => {
  const [, v2] = releases;
  if (!v2) throw new Error("the releases were published before");
  const params = await startRollout(v2);
  await vi.waitFor(async () => {
    const { state } = await call(admin(), rolloutApi.getRollout, { params });
    expect(state.phase).toBe("finished");
  }, patience);
  expect(runningNow()).toEqual([2, 2]);
});

test("A bad release falls back by itself and the rollout reaches no further node.", async () => {
  const [, , v3] = releases;
  if (!v3) throw new Error("the releases were published before");
  const params = await startRollout(v3);
  await vi.waitFor(async () => {
    const { state } = await call(admin(), rolloutApi.getRollout, { params });
    expect(state.phase).toBe("halted");
  }, patience);
  expect(runningNow()).toEqual([2, 2]);
});
