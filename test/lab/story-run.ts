// Runs the story inside a test: own folder, free ports, everything put away at the end.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actOne } from "../story/act-one.ts";
import { makePrograms } from "../story/programs.ts";
import { openScene, type Scene, type StoryOptions } from "../story/scene.ts";
import { storyLog } from "../story/steps.ts";
import { tellStory } from "../story/story.ts";

/** A port nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === "object" && address ? address.port : 0;
}

export type StoryShape = Pick<StoryOptions, "recipe" | "firmware" | "hollowSites"> &
  Partial<StoryOptions>;

/** Tells the whole story of `shape`, then lets `after` look at the scene. Prints each step with its time. */
export async function runStory(
  shape: StoryShape,
  after: (scene: Scene) => Promise<void> = async () => {},
): Promise<void> {
  await onStage(shape, tellStory, after);
}

/** Tells act one only, the fleet on v1, and lets `play` go on with a story of its own. */
export async function runFromActOne(
  shape: StoryShape,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const tell: typeof tellStory = async (options, log, programs, onScene = () => {}) => {
    const scene = await openScene(options, log, programs);
    onScene(scene);
    await actOne(scene);
    return scene;
  };
  await onStage(shape, tell, play);
}

async function onStage(
  shape: StoryShape,
  tell: typeof tellStory,
  after: (scene: Scene) => Promise<void>,
): Promise<void> {
  const kept = process.env["DROVER_LAB_RUN"];
  const folder = mkdtempSync(join(kept ?? tmpdir(), "drover-story-"));
  const options: StoryOptions = {
    folder,
    port: await freePort(),
    busPort: await freePort(),
    provingMs: 30_000,
    soakMs: 10_000,
    rootMiB: shape.recipe === "lite" ? 512 : 1024,
    ...shape,
  };
  const log = storyLog((line) => process.stdout.write(`${line}\n`), Date.now);
  const programs = makePrograms(join(folder, "log"));
  let scene: Scene | undefined;
  try {
    scene = await tell(options, log, programs, (made) => {
      scene = made;
    });
    await after(scene);
  } finally {
    await scene?.close();
    await programs.stopAll();
    if (kept === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
