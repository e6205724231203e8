// Recipes and locks are strict: what is misspelt, doubled or unsafe is refused with its place.
import { expect, test } from "vitest";
import { type Lock, lockText, parseLock } from "../lock/lock.ts";
import { accountFiles } from "./accounts.ts";
import { extendDocument } from "./extend.ts";
import { parseRecipe } from "./recipe.ts";

const smallest = {
  schema: "drover.recipe/1",
  name: "small",
  architecture: "amd64",
  base: { distribution: "debian", suite: "bookworm", components: ["main"] },
  packages: {},
  kernel: { package: "linux-image-amd64", arguments: [], modules: [] },
  initrd: { modules: [], programs: [] },
  node: false,
  agent: false,
  accounts: {},
  units: {},
  requires: {},
  state: { reads: [1], writes: 1 },
};

test("A recipe needs little, and everything else has a stated default", () => {
  const recipe = parseRecipe(smallest, "small");
  expect(recipe.packages.install).toEqual([]);
  expect(recipe.files).toEqual([]);
});

test("A misspelt key is an error that names the key", () => {
  expect(() => parseRecipe({ ...smallest, pakages: {} }, "small")).toThrow("pakages");
  const wrong = { ...smallest, kernel: { ...smallest.kernel, module: [] } };
  expect(() => parseRecipe(wrong, "small")).toThrow("kernel");
});

test("A file of a recipe cannot climb out of the image or of the recipe's folder", () => {
  const climb = (file: unknown) => () => parseRecipe({ ...smallest, files: [file] }, "small");
  expect(climb({ path: "/etc/../../x", content: { text: "" } })).toThrow("must not contain ..");
  expect(climb({ path: "/etc/x", content: { from: "/etc/shadow" } })).toThrow("files.0.content");
  expect(climb({ path: "/etc/x", content: { from: "../lite/../../secret" } })).toThrow(
    "files.0.content",
  );
  expect(climb({ path: "/etc/x", content: { from: "a/../../secret" } })).toThrow("files.0.content");
});

test("A variant appends to lists, merges mappings and replaces the rest", () => {
  const merged = extendDocument(
    { name: "a", packages: { install: ["x"], alone: ["y"] }, node: true },
    { extends: "../a", packages: { install: ["z"] }, node: false },
  );
  expect(merged).toEqual({
    name: "a",
    packages: { install: ["x", "z"], alone: ["y"] },
    node: false,
  });
});

test("Accounts of a recipe join those of the distribution, with every password locked", () => {
  const masters = { passwd: "root:*:0:0:root:/root:/bin/sh\n", group: "root:*:0:\n" };
  const files = accountFiles(masters, {
    users: [{ name: "till", id: 900, home: "/", shell: "/usr/sbin/nologin" }],
    groups: [{ name: "kvm", id: 901 }],
  });
  expect(files.passwd).toContain("till:x:900:900:till:/:/usr/sbin/nologin\n");
  expect(files.group).toContain("kvm:x:901:\n");
  for (const line of files.shadow.trim().split("\n")) expect(line.split(":")[1]).toBe("*");
});

test("Two accounts cannot share a name or an id", () => {
  const masters = { passwd: "root:*:0:0:root:/root:/bin/sh\n", group: "root:*:0:\n" };
  const users = [{ name: "twin", id: 0, home: "/", shell: "/bin/sh" }];
  expect(() => accountFiles(masters, { users, groups: [] })).toThrow("share the name or id 0");
});

const lock = {
  schema: "drover.lock/1",
  suite: "bookworm",
  builtAtSeconds: 1,
  request: "a".repeat(64),
  packages: [
    {
      name: "bash",
      version: "1:5.2-1+b1",
      architecture: "amd64",
      archive: "debian",
      filename: "pool/main/b/bash/bash_5.2_amd64.deb",
      sha256: "b".repeat(64),
      sizeBytes: 10,
    },
  ],
};

test("A lock survives being written and read", () => {
  const parsed: Lock = parseLock(JSON.stringify(lock), "lock.json");
  expect(parseLock(lockText(parsed), "lock.json")).toEqual(parsed);
  expect(lockText(parsed)).not.toMatch(/https?:/);
});

test("A lock that names a server, climbs out of the pool or is cut short is refused", () => {
  const withFilename = (filename: string) => () =>
    parseLock(
      JSON.stringify({ ...lock, packages: [{ ...lock.packages[0], filename }] }),
      "lock.json",
    );
  expect(withFilename("http://mirror/pool/a.deb")).toThrow("filename");
  expect(withFilename("pool/../../etc/a.deb")).toThrow("must not contain ..");
  expect(() => parseLock(JSON.stringify(lock).slice(0, 80), "lock.json")).toThrow("not JSON");
});
