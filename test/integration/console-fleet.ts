// A small fleet for the console: hollow sites run by the real agent code against a real control plane, with
// four images of which the third never boots.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHollow } from "@drover/agent/roles/hollow";
import { keepIdentity, openNkey } from "@drover/agent/site/identity";
import { systemClock } from "@drover/agent/system-clock";
import { releaseSigner } from "@drover/server/keys/init-keys";
import { agentApi } from "@drover/shared/api/agent-api";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { releaseApi } from "@drover/shared/api/release-api";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import { readEnrolment } from "@drover/shared/enrolment";
import { ChannelName, NodeClass, type RolloutId, type Sha256 } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import { sha256Hex } from "@drover/shared/trust/digest";
import { makeReleaseMetadata } from "@drover/shared/trust/release-metadata";
import { type MadeImage, makeImage, noise } from "./agent-images.ts";
import type { TestControlPlane } from "./with-control-plane.ts";

export const lite = NodeClass.parse("lite");
const channel = ChannelName.parse("dev");

export interface ConsoleFleet {
  readonly images: readonly MadeImage[];
  /** Drafts and starts a rollout of `lite@VERSION.0.0` in two waves over the hollow sites. */
  start(version: number, name: string, soakMs?: number): Promise<RolloutId>;
  stop(): Promise<void>;
}

/** Makes `count` hollow sites with one node each and starts their agents. */
export async function raiseConsoleFleet(
  centre: TestControlPlane,
  count: number,
): Promise<ConsoleFleet> {
  const scratch = mkdtempSync(join(tmpdir(), "drover-console-fleet-"));
  const admin = centre.sender(centre.adminToken);
  const images = await publish(centre, scratch);
  const body = { release: "lite@1.0.0", channel };
  await call(admin, fleetApi.putClass, { params: { class: lite }, body });
  const dataFolder = join(scratch, "hollow");
  for (let number = 1; number <= count; number += 1) await addSite(centre, dataFolder, number);
  const ended = new AbortController();
  const [, , third] = images;
  const hollow = await startHollow(
    {
      agentVersion: "0.1.0",
      clock: systemClock,
      log: silentLog,
      databaseWorker: new URL("../../agent/src/site/database-worker.ts", import.meta.url),
      settings: {
        dataFolder,
        enrolments: [],
        faults: third
          ? [{ seed: 1, imageId: third.imageId, kind: "panics-at-boot", share: 1 }]
          : [],
        bootMs: 300,
        tickMs: 200,
        timeZone: "UTC",
        reconnect: { waitMs: 200, jitterMs: 200 },
      },
    },
    ended.signal,
  );
  return {
    images,
    start: (version, name, soakMs = 0) => startRollout(centre, images, { version, name, soakMs }),
    async stop() {
      ended.abort(new Error("the test is over"));
      await hollow.done;
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

async function publish(centre: TestControlPlane, scratch: string): Promise<MadeImage[]> {
  const store = join(scratch, "store");
  const images: MadeImage[] = [];
  for (const seed of [5, 6, 7, 8])
    images.push(await makeImage(scratch, store, noise(seed, 200_000)));
  for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await centre.put(path.slice(store.length), readFileSync(path));
  }
  await centre.put(`/content/file/${sha256Hex("")}`, new Uint8Array());
  const admin = centre.sender(centre.adminToken);
  for (const { imageId } of images)
    await call(admin, releaseApi.registerImage, { body: { manifest: imageId as Sha256 } });
  const releases = images.map(({ imageId, manifestBytes }, at) => ({
    name: "lite",
    semver: `${at + 1}.0.0`,
    imageId,
    manifestBytes,
    custom: { counter: at + 1, minimum: 0, step: false },
  }));
  const metadata = makeReleaseMetadata(
    { version: 1, expiresAt: Date.now() + 86_400_000, releases },
    [releaseSigner(join(centre.data, "keys"), channel)],
  );
  await call(admin, releaseApi.putChannel, { params: { channel }, body: { metadata } });
  return images;
}

async function addSite(centre: TestControlPlane, dataFolder: string, number: number) {
  const admin = centre.sender(centre.adminToken);
  const policy = { provingMs: 1_500, trialDeadlineMs: 30_000, beatMs: 1_000 };
  const body = { name: `shop ${number}`, region: "emea/de/berlin", hollow: true, policy };
  const made = await call(admin, fleetApi.createSite, { body });
  const folder = join(dataFolder, "sites", `h${number}`);
  const nkey = await openNkey(folder);
  const { token } = readEnrolment(made.enrolment);
  const { root, trustFile, ...connection } = await call(centre.sender(), agentApi.enrol, {
    body: { token, nkey: nkey.public, agentVersion: "0.1.0" },
  });
  const { caPem, url } = centre;
  await keepIdentity(folder, { v: 1, url, connection: { ...connection, caPem }, root, trustFile });
  const macs = [`52:54:00:00:03:${number.toString(16).padStart(2, "0")}`];
  const params = { site: made.site };
  await call(admin, fleetApi.registerNode, { params, body: { macs, class: lite } });
}

async function startRollout(
  centre: TestControlPlane,
  images: readonly MadeImage[],
  input: { version: number; name: string; soakMs: number },
): Promise<RolloutId> {
  const image = images[input.version - 1];
  if (!image) throw new Error(`there is no image ${input.version}`);
  const release = {
    name: "lite",
    semver: `${input.version}.0.0`,
    channel,
    counter: input.version,
    imageId: image.imageId,
  };
  const admin = centre.sender(centre.adminToken);
  const { rollout, plan } = await call(admin, rolloutApi.createRollout, {
    body: {
      name: input.name,
      changeSet: { releases: { [lite]: release } },
      selection: { hollow: true },
      policy: { waves: [{ count: 1 }, { percent: 100 }], soakMs: input.soakMs },
    },
  });
  const params = { rollout: rollout.id };
  await call(admin, rolloutApi.startRollout, { params, body: { plan: plan.hash } });
  return rollout.id;
}
