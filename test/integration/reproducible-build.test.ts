// An image is the same bytes wherever, whenever and by whomever it is built.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { buildElsewhere, buildHere } from "./build-twice.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-twice-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("two builds from empty caches, in other folders, by other users, on other days make one image", {
  timeout: 1_200_000,
}, async () => {
  const first = await buildHere("lite", join(folder, "first"));
  const second = await buildElsewhere("lite", join(folder, "second"));
  process.stdout.write(
    `lite ${first.imageId}: ${(first.ms / 1000).toFixed(1)} s and ${(second.ms / 1000).toFixed(1)} s\n`,
  );
  expect(second.manifest).toEqual(first.manifest);
  expect(second.imageId).toBe(first.imageId);
  expect(second.content).toEqual(first.content);
});
