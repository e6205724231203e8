// The whole story from an empty folder to a halted rollout. Used by `npm start` and by the lab's tests.
import { readFileSync } from "node:fs";
import { actOne } from "./act-one.ts";
import { actThree } from "./act-three.ts";
import { actTwo } from "./act-two.ts";
import type { Programs } from "./programs.ts";
import { openScene, type Scene, type StoryOptions } from "./scene.ts";
import type { StoryLog } from "./steps.ts";

/** Most memory a running process ever had resident, in MB (VmHWM of proc(5)). */
export function peakMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round((Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024) / 1e6);
}

/** Figures of the run, for people. */
export function tellFigures(scene: Scene): void {
  const { log, boot, lab } = scene;
  const seconds = (ms: number): string => (ms / 1000).toFixed(1).padStart(7);
  log.note("time of each step, in seconds:");
  for (const { title, ms } of log.times) log.note(`${seconds(ms)}  ${title}`);
  if (boot)
    log.note(`installer: ${(boot.installerBytes / 1e6).toFixed(1)} MB (kernel and initramfs)`);
  log.note(`peak memory of the control plane: ${peakMb(scene.centre.program.pid)} MB`);
  if (!lab) return;
  log.note(`peak memory of the site agent: ${peakMb(lab.site.agent().pid)} MB`);
  const peak = lab.vm.console.lines.findLast((line) => /agent peak \d+ MB/.test(line.text));
  log.note(
    `peak memory of the node agent: ${/agent peak (\d+) MB/.exec(peak?.text ?? "")?.[1]} MB`,
  );
  log.note(`lab node: ${lab.vm.use().cpuSeconds} CPU seconds in QEMU`);
}

/** Tells the story; the scene is left standing. Throws at the first outcome that is not as promised. */
export async function tellStory(
  options: StoryOptions,
  log: StoryLog,
  programs: Programs,
  onScene: (scene: Scene) => void = () => {},
): Promise<Scene> {
  const scene = await openScene(options, log, programs);
  onScene(scene);
  try {
    await actOne(scene);
    await actTwo(scene);
    await actThree(scene);
  } catch (error) {
    await scene.close();
    throw error;
  }
  tellFigures(scene);
  return scene;
}
