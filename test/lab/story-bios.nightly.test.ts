// The full story on BIOS with Debian images.
import { test } from "vitest";
import { runStory } from "./story-run.ts";

test("the whole story holds on a BIOS computer with Debian images", async () => {
  await runStory({ recipe: "debian-node", firmware: "bios", hollowSites: 20 });
});
