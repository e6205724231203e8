// The same story on a BIOS computer with the lite image: install, update and fall-back by the BIOS loader.
import { test } from "vitest";
import { runStory } from "./story-run.ts";

test("a BIOS computer is installed, updated in the spare slot, and falls back by itself from a bad release", async () => {
  await runStory({
    recipe: "lite",
    firmware: "bios",
    hollowSites: 0,
    provingMs: 5_000,
    soakMs: 2_000,
  });
});
