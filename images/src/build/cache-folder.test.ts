// The cache lock lets one build in at a time and never outlives its owner.
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { publishFolder, withCacheLock, withTemporaryFolder } from "./cache-folder.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-cache-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const quiet = { name: "build", onWait: () => {} };

test("Two builds in one cache run one after the other", async () => {
  const seen: string[] = [];
  const build = (name: string) =>
    withCacheLock({ cacheFolder: folder, ...quiet }, async () => {
      seen.push(`${name} starts`);
      await readdir(folder);
      seen.push(`${name} ends`);
    });
  await Promise.all([build("one"), build("two")]);
  expect(seen[1]?.split(" ")[0]).toBe(seen[0]?.split(" ")[0]);
  expect(seen).toHaveLength(4);
});

test("A lock whose owner no longer runs is taken over", async () => {
  const lock = join(folder, "build.lock");
  await mkdir(lock);
  await writeFile(
    join(lock, "owner.json"),
    JSON.stringify({ pid: process.pid, startedTicks: "1" }),
  );
  expect(await withCacheLock({ cacheFolder: folder, ...quiet }, async () => "built")).toBe("built");
  expect(await readdir(folder)).toEqual([]);
});

test("A waiting build gives up when it is cancelled, and the owner's lock stays", async () => {
  const cancel = new AbortController();
  await withCacheLock({ cacheFolder: folder, ...quiet }, async () => {
    const waiting = withCacheLock(
      { cacheFolder: folder, name: "build", signal: cancel.signal, onWait: () => cancel.abort() },
      async () => "never",
    );
    await expect(waiting).rejects.toThrow();
    expect(await readdir(folder)).toEqual(["build.lock"]);
  });
});

test("A failed build leaves neither its temporary folder nor a result", async () => {
  const failed = withTemporaryFolder(folder, async (temporary) => {
    await writeFile(join(temporary, "half"), "x");
    throw new Error("disk full");
  });
  await expect(failed).rejects.toThrow("disk full");
  expect(await readdir(join(folder, "tmp"))).toEqual([]);
});

test("A finished folder appears under its name, and never replaces another", async () => {
  const from = join(folder, "made");
  await mkdir(from);
  await writeFile(join(from, "root"), "x");
  await publishFolder(from, join(folder, "out"));
  expect(await readdir(join(folder, "out"))).toEqual(["root"]);
  await mkdir(from);
  await expect(publishFolder(from, join(folder, "out"))).rejects.toThrow();
  // What was offered is gone, what was there is untouched.
  expect(await readdir(folder)).toEqual(["out"]);
  expect(await readdir(join(folder, "out"))).toEqual(["root"]);
});
