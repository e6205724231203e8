// Act three: v3 panics at boot. It is granted to the first wave, the lab node falls back by itself, the
// rollout halts on that evidence, and nobody else is granted.
import { join } from "node:path";
import type { WhyView } from "@drover/shared/api/fleet-api";
import { deadlineMs } from "../lab/deadline.ts";
import { buildVersion, untilNode } from "./act-one.ts";
import { showRollout, standing, startRollout } from "./act-two.ts";
import { startHollowProgram } from "./hollow-fleet.ts";
import type { Scene } from "./scene.ts";
import { must, until } from "./steps.ts";

const quietAfterHaltMs = 10_000;

/** Hollow nodes panic on v3 as the real one does. */
async function plantFault(scene: Scene): Promise<void> {
  const { hollow, options, programs, images } = scene;
  const imageId = images.v3;
  if (!hollow.program || !imageId) return;
  await hollow.program.stop();
  const faults = [{ seed: 1, imageId, kind: "panics-at-boot" as const, share: 1 }];
  const program = startHollowProgram(programs, join(options.folder, "hollow"), {
    enrolments: hollow.enrolments,
    faults,
    name: "hollow-v3",
  });
  scene.hollow = { ...hollow, program };
}

async function checkNobodyElse(
  scene: Scene,
  rollout: Awaited<ReturnType<typeof startRollout>>,
): Promise<void> {
  const halted = await showRollout(scene, rollout.rollout);
  await new Promise((resolve) => setTimeout(resolve, quietAfterHaltMs));
  const later = await showRollout(scene, rollout.rollout);
  must(
    later.grants === halted.grants,
    `${later.grants - halted.grants} grants were given after the halt`,
  );
  for (const wave of later.waves.slice(1)) {
    must(
      wave.tally.waiting === wave.sites,
      `wave ${wave.wave + 1} was touched: ${standing(later)}`,
    );
  }
}

/** Runs the act. */
export async function actThree(scene: Scene): Promise<void> {
  const { log, lab, centre, images } = scene;
  const image = await buildVersion(scene, 3);
  images.v3 = image;
  await log.step(
    "v3 panics at boot: the first wave falls back by itself and the rollout halts",
    async (progress) => {
      await plantFault(scene);
      const started = await startRollout(scene, 3);
      if (lab)
        must(
          started.plan.waves[0]?.sites.includes(lab.siteId),
          "the first wave does not hold the lab node's model",
        );
      const halted = await until(
        "the rollout of v3 to halt",
        async (seen) => {
          const view = await showRollout(scene, started.rollout);
          seen(standing(view));
          must(view.state.phase !== "finished", "the rollout of v3 finished although v3 panics");
          return view.state.phase === "halted" ? view : undefined;
        },
        { withinMs: deadlineMs(200_000), everyMs: 1000, progress },
      );
      must(halted.because.length > 0, "the halt gives no reasons");
      for (const reason of halted.because) log.note(`halted because ${reason}`);
      await checkNobodyElse(scene, started);
    },
  );
  if (!lab) return;
  await log.step("the lab node runs v2 again and refuses v3", async (progress) => {
    const view = await untilNode(
      scene,
      lab.node,
      "the lab node back on v2",
      (node) =>
        node.running?.imageId === images.v2 &&
        node.refusals.some((refusal) => refusal.imageId === image),
      { quietMs: 120_000, progress },
    );
    must(
      view.slots?.measuredImageId === images.v2,
      "the running system did not measure the verity root of v2",
    );
    const panics = lab.vm.console.lines.filter((line) => /Kernel panic/.test(line.text)).length;
    must(panics > 0, "the console shows no kernel panic");
    const why = await centre.cli<WhyView>("why", "node", lab.node);
    log.note(`why: ${why.headline}`);
  });
}
