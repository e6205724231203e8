// The papers of an image hold what they must and nothing that differs between builders.
import { Sha256 } from "@drover/shared/ids";
import { sha256Hex } from "@drover/shared/trust/digest";
import { expect, test } from "vitest";
import { Lock } from "../core/lock/lock.ts";
import { parseRecipe } from "../core/recipe/recipe.ts";
import { finishManifest, type ManifestParts } from "./build-image.ts";
import { packageList, provenance, softwareBill } from "./documents.ts";

const digest = (text: string) => Sha256.parse(sha256Hex(text));
const lock = Lock.parse({
  schema: "drover.lock/1",
  suite: "bookworm",
  builtAtSeconds: 1_700_000_000,
  request: digest("request"),
  packages: [
    {
      name: "libstdc++6",
      version: "12.2.0-14+deb12u1",
      architecture: "amd64",
      archive: "debian",
      filename: "pool/main/g/gcc-12/libstdc++6_12.2.0_amd64.deb",
      sha256: digest("package"),
      sizeBytes: 10,
    },
  ],
});
const recipe = parseRecipe(
  {
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
  },
  "small",
);
const packages = lock.packages.map((locked) => ({
  locked,
  unpacked: {
    v: 1 as const,
    control: "Package: libstdc++6\nSource: gcc-12 (12.2.0-14)\n",
    scripts: [],
    entries: [],
    dataFile: "/nowhere",
  },
}));

test("The package list names source packages, so that one fix shows as one change", () => {
  expect(JSON.parse(packageList(packages)).packages[0]).toMatchObject({
    name: "libstdc++6",
    source: "gcc-12",
  });
});

test("The bill of materials is SPDX 2.3 with a package locator and a time from the lock", () => {
  const text = softwareBill({
    recipe,
    lock,
    lockSha256: digest("lock"),
    packages,
    nodeVersion: "24.0.0",
  });
  const bill = JSON.parse(text);
  expect(bill.spdxVersion).toBe("SPDX-2.3");
  expect(bill.creationInfo.created).toBe("2023-11-14T22:13:20Z");
  expect(bill.packages[0].externalRefs[0].referenceLocator).toBe(
    "pkg:deb/debian/libstdc++6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm",
  );
  for (const { SPDXID } of bill.packages) expect(SPDXID).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
  expect(bill.relationships).toHaveLength(2);
});

test("The provenance binds every artefact and every input by digest", () => {
  const text = provenance({
    recipe,
    recipeSha256: digest("recipe"),
    lock,
    lockSha256: digest("lock"),
    artefacts: { root: { sha256: digest("root") } },
    materials: [{ name: "drover-agent", sha256: digest("agent") }],
  });
  const statement = JSON.parse(text);
  expect(statement.subject[0].digest.sha256).toBe(digest("root"));
  const inputs = statement.predicate.buildDefinition.resolvedDependencies;
  expect(inputs.map(({ name }: { name: string }) => name)).toEqual([
    "recipe",
    "lock",
    "drover-agent",
  ]);
});

test("A finished manifest is canonical, and its digest changes with its chunk index", () => {
  const artefact = { sizeBytes: 4096, sha256: digest("x") };
  const parts: ManifestParts = {
    v: 1,
    name: "small",
    architecture: "amd64",
    bootModes: ["bios", "uefi"],
    artefacts: { root: artefact, kernel: artefact, initrd: artefact },
    verity: { rootHash: digest("r"), saltHex: digest("s"), dataBlocks: 1, blockBytes: 4096 },
    kernelArguments: [],
    lock: digest("l"),
    sbom: digest("b"),
    packages: digest("p"),
    provenance: digest("v"),
    probes: [],
    state: { reads: [1], writes: 1 },
    requires: { memoryBytesMin: 0, rootSlotBytesMin: 0 },
    parametersSchema: "{}",
    agentProtocolMin: 1,
  };
  const one = finishManifest(parts, { indexRoot: digest("one"), indexBytes: 10 });
  const two = finishManifest(parts, { indexRoot: digest("two"), indexBytes: 10 });
  expect(one.imageId).toBe(digest(one.text));
  expect(two.imageId).not.toBe(one.imageId);
});
