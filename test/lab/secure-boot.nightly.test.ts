// Secure Boot on a disk as our installer writes it: Microsoft's keys trust Debian's shim, shim trusts
// the signed GRUB, and GRUB boots the signed kernel of the slot. Nothing on the disk is made for it.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type InstallLab, startInstallLab } from "./install-lab.ts";
import type { Vm } from "./vm.ts";

let lab: InstallLab;
let vm: Vm;

beforeAll(async () => {
  lab = await startInstallLab({ recipes: ["lite", "lite-v2"], provingMs: 5_000 });
  vm = await lab.powerOn("uefi");
});
afterAll(async () => {
  await vm?.cutPower();
  await lab?.close();
});

/** What the node last told about its firmware. */
function lastFacts() {
  const report = lab.reports().findLast(({ kind }) => kind === "node-facts");
  return report?.kind === "node-facts" ? report.facts : undefined;
}

it("a UEFI computer without Secure Boot is installed, boots its disk and says that it has none", async () => {
  lab.order({ isClassified: true, installSerial: 1, committed: 0 });
  await vm.waitFor(/drover-install: done/, 150_000);
  lab.order({ installSerial: null });
  await vm.waitFor(/drover-node: booted slot a image [0-9a-f]{8} why cold/, 90_000);
  await lab.host.waitFor(/report \{"kind":"node-state".*"measuredImageId":"[0-9a-f]{64}"/, 20_000);
  expect(lastFacts()).toMatchObject({ firmware: "uefi", secureBoot: false });
});

it("the same disk boots with Secure Boot on, and the running node says so", async () => {
  await vm.cutPower();
  // The other firmware starts with its own variables: Microsoft's keys, Secure Boot on.
  rmSync(join(lab.runFolder, "node.vars.fd"));
  vm = await lab.powerOn("uefi-secure");
  const booted = await vm.waitFor(/drover-node: booted slot a image [0-9a-f]{8} why cold/, 90_000);
  process.stdout.write(`secure boot took ${(booted.atMs / 1000).toFixed(1)} s\n`);
  await expect
    .poll(() => lastFacts(), { timeout: 120_000, interval: 500 })
    .toMatchObject({ firmware: "uefi", secureBoot: true });
});

it("with Secure Boot on it changes to the next release and commits it", async () => {
  lab.order({ assigned: 1 });
  await vm.waitFor(/drover-node: booted slot b image [0-9a-f]{8} why try/, 150_000);
  const tried = vm.console.lines.length;
  await vm.waitFor(/drover-node: committed [0-9a-f]{8}/, 60_000, tried);
  expect(lastFacts()).toMatchObject({ secureBoot: true });
});
