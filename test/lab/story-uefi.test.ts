// The whole story with real firmware: a UEFI computer among hollow sites, Debian images, from bare metal
// to a halted rollout. Every outcome is checked by the story itself.
import { test } from "vitest";
import { runStory } from "./story-run.ts";

test("v1 is installed from bare metal, v2 rolls out in three waves, a v3 that panics is halted", async () => {
  await runStory({ recipe: "debian-node", firmware: "uefi", hollowSites: 20 });
});
