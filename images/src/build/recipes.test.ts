// The recipes of this repository are valid and their locks are those of what they ask for now.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadRecipe, lockPath, readLockFile } from "./load-recipe.ts";
import { lockRequest } from "./lock.ts";

const home = join(import.meta.dirname, "../..");
const folders = [
  join(home, "installer"),
  ...readdirSync(join(home, "recipes")).map((name) => join(home, "recipes", name)),
].filter((folder) => existsSync(join(folder, "recipe.yaml")));

describe.each(folders)("%s", (folder) => {
  test("The recipe is valid and every file it names is there", async () => {
    const loaded = await loadRecipe(folder);
    for (const file of loaded.recipe.files) {
      const { content } = file;
      if (!("from" in content)) continue;
      expect(loaded.folders.some((place) => existsSync(join(place, content.from)))).toBe(true);
    }
  });

  test("The lock answers exactly what the recipe asks for, and names no server", async () => {
    const { recipe } = await loadRecipe(folder);
    const lock = await readLockFile(folder);
    expect(lock?.request).toBe(lockRequest(recipe));
    expect(readFileSync(lockPath(folder), "utf8")).not.toMatch(/https?:|deb\./);
  });

  test("The initrd of the recipe can open a verity root", async () => {
    const { recipe } = await loadRecipe(folder);
    for (const name of ["dm_verity", "erofs", "overlay", "vfat"]) {
      expect(recipe.initrd.modules).toContain(name);
    }
    expect(recipe.initrd.programs).toContain("usr/sbin/dmsetup");
  });
});
