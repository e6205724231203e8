// A site whose WAN dies: a fetch goes on where it broke and pays for nothing twice; while the line is
// down no node changes release, and a node with a new disk is installed from the site's own cache.
import { setTimeout as wait } from "node:timers/promises";
import type { NodeView, SiteView } from "@drover/shared/api/fleet-api";
import type { ImageId } from "@drover/shared/ids";
import { expect, test } from "vitest";
import { buildVersion } from "../story/act-one.ts";
import { startRollout } from "../story/act-two.ts";
import { wanBill } from "../story/centre.ts";
import type { Scene } from "../story/scene.ts";
import { must, until } from "../story/steps.ts";
import { deadlineMs } from "./deadline.ts";
import { runFromActOne } from "./story-run.ts";
import { createDisk } from "./vm.ts";

/** Longer than the 30 s after which the agent gives up a connection on which nothing arrives. */
const cutMs = 35_000;
/** The fetch takes about so long, so that it can be cut in its middle. */
const fetchSeconds = 20;
/** How long a node that is ready to change is watched: it asks for its grant every few seconds. */
const quietMs = 10_000;
/** What may arrive twice: small objects that are asked for whole, and the end of a broken request. */
const repeatedBytesMax = 64 * 1024;

type Lab = NonNullable<Scene["lab"]>;

function labOf(scene: Scene): Lab {
  must(scene.lab, "the scene has no lab site");
  return scene.lab;
}

/** Sums of WAN bytes as the site reports them. */
async function wanBytes(scene: Scene, image: ImageId): Promise<number | undefined> {
  const site = await scene.centre.cli<SiteView>("site", "show", labOf(scene).siteId);
  return site.wanBytes[image];
}

async function cutDuringFetch(scene: Scene, v1: ImageId, v2: ImageId): Promise<void> {
  const { site } = labOf(scene);
  const bill = await wanBill(scene.centre, v2, v1);
  const rate = bill.bytes / fetchSeconds;
  await scene.log.step("the WAN is cut in the middle of the prefetch of v2", async (progress) => {
    site.wan.slow(rate);
    await startRollout(scene, 2);
    await site.agent().waitFor(new RegExp(`image fetch was planned.*${v2}`), 12_000);
    const plannedAt = site.wan.downBytes();
    await until(
      "a third of the content to arrive",
      async (seen) => {
        const arrived = site.wan.downBytes() - plannedAt;
        seen(`${arrived} of ${bill.bytes} bytes, headers included`);
        return arrived > bill.bytes / 3 ? arrived : undefined;
      },
      { withinMs: deadlineMs(12_000), everyMs: 200, progress },
    );
    site.wan.cut();
    await wait(cutMs);
    const text = site.agent().console.lines.map((line) => line.text);
    must(
      !text.some((line) => new RegExp(`image became whole.*${v2}`).test(line)),
      "the fetch of v2 was over before the cut",
    );
  });
  await scene.log.step("the WAN is back and the fetch goes on where it broke", async () => {
    site.wan.restore();
    const whole = await site.agent().waitFor(new RegExp(`image became whole.*${v2}`), 30_000);
    site.wan.slow(100e6);
    scene.log.note(whole.text);
    const fetched = await until(
      "the site's count of WAN bytes",
      async (seen) => {
        const bytes = (await wanBytes(scene, v2)) ?? 0;
        seen(`${bytes} of ${bill.bytes}`);
        return bytes >= bill.bytes ? bytes : undefined;
      },
      { withinMs: deadlineMs(12_000) },
    );
    scene.log.note(`WAN bytes: ${fetched} fetched, ${bill.bytes} planned, cut for ${cutMs} ms`);
    expect(fetched - bill.bytes).toBeLessThanOrEqual(repeatedBytesMax);
  });
}

/** The install intent has to be at the site before the line is cut. */
async function orderInstall(scene: Scene): Promise<void> {
  const lab = labOf(scene);
  const { cli } = scene.centre;
  await cli("node", "install", lab.node, "--reason", "its disk is being replaced");
  await until(
    "the site to apply its newest desired state",
    async (seen) => {
      const view = await cli<SiteView>("site", "show", lab.siteId);
      seen(`generation ${view.appliedGeneration} of ${view.generation}`);
      return view.appliedGeneration === view.generation ? true : undefined;
    },
    { withinMs: deadlineMs(6_000), everyMs: 300 },
  );
}

async function stayWithoutGrant(scene: Scene, v1: ImageId): Promise<void> {
  const { vm } = labOf(scene);
  await scene.log.step("without the WAN the node writes v2 but does not change to it", async () => {
    await vm.waitFor(/drover-node: slot b written/, 90_000);
    await vm.waitFor(/drover-node: verified/, 10_000);
    await wait(quietMs);
    const lines = vm.console.lines.map(({ text }) => text);
    expect(lines.filter((line) => /drover-node: (granted|trial|rebooting)/.test(line))).toEqual([]);
    const view = await scene.centre.cli<NodeView>("node", "show", labOf(scene).node);
    expect(view.running?.imageId).toBe(v1);
  });
}

async function replaceDisk(scene: Scene, v1: ImageId): Promise<void> {
  const { site, vm } = labOf(scene);
  const { rootMiB } = scene.options;
  await scene.log.step(
    "with a new, empty disk it is installed with the committed v1 from the site's cache",
    async () => {
      await vm.cutPower();
      createDisk(site.diskFile, (2 * rootMiB + 2048) * 1024 * 1024);
      const arrivedBytes = site.wan.downBytes();
      const again = await site.powerOn();
      await again.waitFor(/drover-install: done/, 150_000);
      const short = v1.slice(0, 8);
      await again.waitFor(new RegExp(`drover-node: booted slot a image ${short} why cold`), 60_000);
      await again.waitFor(new RegExp(`drover-node: committed ${short}`), 10_000);
      expect(site.wan.downBytes()).toBe(arrivedBytes);
    },
  );
}

test("a fetch survives a dead WAN, and without the WAN a new disk is installed while nothing changes release", async () => {
  await runFromActOne(
    { recipe: "lite", firmware: "bios", hollowSites: 0, provingMs: 5_000, soakMs: 2_000 },
    async (scene) => {
      const { v1 } = scene.images;
      must(v1, "act one made no image");
      const v2 = await buildVersion(scene, 2);
      await cutDuringFetch(scene, v1, v2);
      await orderInstall(scene);
      labOf(scene).site.wan.cut();
      await stayWithoutGrant(scene, v1);
      await replaceDisk(scene, v1);
    },
  );
});
