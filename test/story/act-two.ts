// Act two: v2, a real package change, rolls out in three waves with soak, the lab node included.
import type { SiteView } from "@drover/shared/api/fleet-api";
import type { PlanView, RolloutView } from "@drover/shared/api/rollout-api";
import type { ImageId, RolloutId } from "@drover/shared/ids";
import { deadlineMs } from "../lab/deadline.ts";
import { buildVersion, nodeClass, release, untilNode } from "./act-one.ts";
import { wanBill } from "./centre.ts";
import type { Scene } from "./scene.ts";
import { must, until } from "./steps.ts";

/** Waves of the story: a canary that holds every model, half, all. Of v3 one site is enough to judge. */
export function wavesOf(scene: Scene, version: 2 | 3): string[] {
  if (scene.options.hollowSites < 4) return ["100%"];
  return [version === 2 || !scene.lab ? "3" : "1", "50%", "100%"];
}

/** Drafts, plans and starts a rollout of a version to every site. */
export async function startRollout(
  scene: Scene,
  version: 2 | 3,
): Promise<{ rollout: RolloutId; plan: PlanView }> {
  const { cli } = scene.centre;
  const waves = wavesOf(scene, version).flatMap((size) => ["--wave", size]);
  const { rollout, plan } = await cli<{ rollout: RolloutView; plan: PlanView }>(
    "rollout",
    "create",
    `v${version}`,
    "--release",
    `${nodeClass(scene)}=${release(scene, version)}`,
    "--channel",
    "dev",
    ...waves,
    "--soak-ms",
    String(scene.options.soakMs),
    "--silence-ms",
    String(deadlineMs(180_000)),
  );
  await cli("rollout", "start", rollout.id, "--plan", plan.hash);
  return { rollout: rollout.id, plan };
}

export async function showRollout(scene: Scene, rollout: RolloutId): Promise<RolloutView> {
  return await scene.centre.cli<RolloutView>("rollout", "show", rollout);
}

/** Where a rollout stands, in a few words. */
export function standing(view: RolloutView): string {
  const waves = view.waves.map((wave) => {
    const counts = Object.entries(wave.tally).filter(([, count]) => count > 0);
    return `wave ${wave.wave + 1}: ${counts.map(([state, count]) => `${count} ${state}`).join(", ")}`;
  });
  return `${view.state.phase}; ${waves.join("; ")}`;
}

/** Content bytes the lab site took from the WAN for an image. */
export async function wanBytesOf(scene: Scene, image: ImageId): Promise<number | undefined> {
  if (!scene.lab) return undefined;
  const site = await scene.centre.cli<SiteView>("site", "show", scene.lab.siteId);
  return site.wanBytes[image];
}

async function checkBytes(scene: Scene, from: ImageId, to: ImageId): Promise<void> {
  const { lab, log } = scene;
  if (!lab) return;
  const bill = await wanBill(scene.centre, to, from);
  const fetched = await until(
    "the lab site's count of WAN bytes",
    async () => await wanBytesOf(scene, to),
    { withinMs: deadlineMs(20_000), everyMs: 1000 },
  );
  log.note(
    `WAN bytes v1→v2: ${fetched} fetched, ${bill.bytes} planned (${bill.tier}), full image ${bill.fullBytes}`,
  );
  must(
    fetched === bill.bytes,
    `the lab site fetched ${fetched} bytes, the plan said ${bill.bytes}`,
  );
  must(
    fetched < 0.15 * bill.fullBytes,
    `${fetched} bytes are not below 15 % of the full image's ${bill.fullBytes}`,
  );
}

/** The console line of the slot writer says where the bytes came from. */
function checkSeeding(scene: Scene): void {
  const line = scene.lab?.vm.console.lines.findLast((each) =>
    /drover-node: slot [ab] written/.test(each.text),
  );
  if (!scene.lab) return;
  must(line, "the node never said that its spare slot is written");
  const [, kept, copied, fetched] = /(\d+) kept, (\d+) copied, (\d+) fetched/.exec(line.text) ?? [];
  scene.log.note(
    `spare slot: ${kept} bytes kept, ${copied} copied from the booted slot, ${fetched} fetched from the site`,
  );
  must(Number(copied) > Number(fetched), "the empty slot was not filled from the booted one");
}

/** Runs the act. */
export async function actTwo(scene: Scene): Promise<void> {
  const from = scene.images.v1;
  must(from, "act two needs act one");
  const image = await buildVersion(scene, 2);
  scene.images.v2 = image;
  const waves = wavesOf(scene, 2).length;
  await scene.log.step(
    `v2 rolls out in ${waves} waves, each healthy for ${scene.options.soakMs / 1000} s before the next`,
    async (progress) => {
      const { rollout } = await startRollout(scene, 2);
      const done = await until(
        "the rollout of v2 to finish",
        async (seen) => {
          const view = await showRollout(scene, rollout);
          seen(standing(view));
          must(
            view.state.phase !== "halted",
            `the rollout of v2 was halted: ${view.because.join("; ")}`,
          );
          return view.state.phase === "finished" ? view : undefined;
        },
        { withinMs: deadlineMs(200_000), everyMs: 1000, progress },
      );
      for (const wave of done.waves)
        must(
          wave.tally.committed === wave.sites,
          `wave ${wave.wave + 1} ended as ${standing(done)}`,
        );
      const { lab } = scene;
      if (lab)
        await untilNode(
          scene,
          lab.node,
          "the lab node on v2",
          (node) => node.running?.imageId === image,
          { quietMs: 10_000, progress },
        );
    },
  );
  await checkBytes(scene, from, image);
  checkSeeding(scene);
}
