// Act one: v1 is built and the fleet gets it: hollow sites at once, the lab node from bare metal.

import { join } from "node:path";
import type { NodeView } from "@drover/shared/api/fleet-api";
import type { ImageId, NodeId, SiteId } from "@drover/shared/ids";
import { deadlineMs } from "../lab/deadline.ts";
import { buildAtCentre, promote } from "./centre.ts";
import { registerHollow, startHollowProgram, untilRunning } from "./hollow-fleet.ts";
import { labMac, startLabSite } from "./lab-site.ts";
import type { Scene } from "./scene.ts";
import { must, until } from "./steps.ts";

/** Name of the class all nodes of the story belong to; also the name of the image. */
export const nodeClass = (scene: Scene): string => scene.options.recipe;
export const release = (scene: Scene, version: 1 | 2 | 3): string =>
  `${scene.options.recipe}@${version}.0.0`;

export async function buildVersion(scene: Scene, version: 1 | 2 | 3): Promise<ImageId> {
  const { recipe } = scene.options;
  const name = version === 1 ? recipe : `${recipe}-v${version}`;
  return await scene.log.step(
    `the centre builds image v${version} (${name}) from Debian packages and offers it on dev`,
    async (progress) => {
      const image = await buildAtCentre(scene.centre, name, progress);
      await promote(scene.centre, release(scene, version), image);
      return image;
    },
  );
}

async function makeClass(scene: Scene): Promise<void> {
  const { cli } = scene.centre;
  await cli(
    "class",
    "set",
    nodeClass(scene),
    "--release",
    release(scene, 1),
    "--channel",
    "dev",
    "--root-mib",
    String(scene.options.rootMiB),
  );
}

async function raiseHollow(scene: Scene): Promise<void> {
  const { hollowSites: count, provingMs, folder } = scene.options;
  await scene.log.step(`${count} hollow sites enrol`, async (progress) => {
    const { sites, enrolments } = await registerHollow(scene.centre, {
      count,
      nodeClass: nodeClass(scene),
      provingMs,
      progress,
    });
    const program = startHollowProgram(scene.programs, join(folder, "hollow"), {
      enrolments,
      faults: [],
      name: "hollow",
    });
    scene.hollow = { enrolments, sites, program };
  });
}

async function raiseLab(scene: Scene): Promise<void> {
  const { boot, options, centre, log } = scene;
  const { firmware } = options;
  if (!boot || !firmware) return;
  await log.step(
    `the lab node (empty disk, ${firmware}) boots from the network and is inventoried`,
    async (progress) => {
      const made = await centre.cli<{ site: SiteId; enrolment: string }>(
        "site",
        "create",
        "lab",
        "--region",
        "emea/de/lab",
        "--proving-ms",
        String(options.provingMs),
      );
      const node = await centre.cli<NodeView>("node", "register", made.site, "--mac", labMac);
      const site = await startLabSite({
        runFolder: join(options.folder, "lab"),
        ports: [centre.port, centre.busPort],
        enrolment: made.enrolment,
        bootFolder: boot.folder,
        kernelArguments: boot.kernelArguments,
        firmware,
        diskBytes: (2 * options.rootMiB + 2048) * 1024 * 1024,
      });
      await untilLive(scene, made.site);
      const vm = await site.powerOn();
      scene.lab = { site, siteId: made.site, node: node.id, vm };
      const known = await untilNode(
        scene,
        node.id,
        "facts of the lab node",
        (view, seen) => {
          seen(vm.console.lines.at(-1)?.text ?? "no console line yet");
          return view.facts !== null;
        },
        { quietMs: 40_000, progress },
      );
      must(
        known.facts?.firmware === (firmware === "bios" ? "bios" : "uefi"),
        `the lab node reports firmware ${known.facts?.firmware}`,
      );
      log.note(
        `facts: ${known.facts?.vendor} ${known.facts?.model}, ${known.facts?.disks.length} disk, ${known.facts?.links.length} link`,
      );
    },
  );
}

/** Waits until the centre hears the site. */
async function untilLive(scene: Scene, site: SiteId): Promise<void> {
  await until(
    `site ${site} to be live`,
    async (seen) => {
      const view = await scene.centre.cli<{ reachability: string }>("site", "show", site);
      seen(view.reachability);
      return view.reachability === "live" ? true : undefined;
    },
    { withinMs: deadlineMs(6_000), everyMs: 500 },
  );
}

/** Waits until a node's view at the centre is as wanted. */
export async function untilNode(
  scene: Scene,
  node: NodeId,
  what: string,
  wanted: (view: NodeView, seen: (text: string) => void) => boolean,
  options: { quietMs: number; progress: (text: string) => void },
): Promise<NodeView> {
  return await until(
    what,
    async (seen) => {
      const view = await scene.centre.cli<NodeView>("node", "show", node);
      return wanted(view, seen) ? view : undefined;
    },
    { withinMs: deadlineMs(options.quietMs), everyMs: 1000, progress: options.progress },
  );
}

async function installLab(scene: Scene, image: ImageId): Promise<void> {
  const { lab, centre, log } = scene;
  if (!lab) return;
  await log.step(
    "the lab node is classified, installed, boots v1 from its disk and commits it",
    async (progress) => {
      await centre.cli("node", "classify", lab.node, nodeClass(scene));
      await centre.cli("node", "install", lab.node, "--reason", "a new node with an empty disk");
      const view = await untilNode(
        scene,
        lab.node,
        "the lab node on v1",
        (node, seen) => {
          seen(lab.vm.console.lines.at(-1)?.text ?? "");
          return node.running?.imageId === image && node.update?.phase === "steady";
        },
        { quietMs: 150_000, progress },
      );
      must(
        view.slots?.measuredImageId === image,
        "the running system did not measure the verity root of v1",
      );
    },
  );
}

/** Runs the act. */
export async function actOne(scene: Scene): Promise<void> {
  const image = await buildVersion(scene, 1);
  scene.images.v1 = image;
  await makeClass(scene);
  if (scene.options.hollowSites > 0) await raiseHollow(scene);
  await raiseLab(scene);
  await installLab(scene, image);
  if (scene.options.hollowSites > 0) {
    await scene.log.step(`${scene.options.hollowSites} hollow sites report v1`, (progress) =>
      untilRunning(scene.centre, scene.hollow.sites, image, {
        withinMs: deadlineMs(12_000),
        progress,
      }),
    );
  }
}
