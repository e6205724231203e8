// The same life on UEFI firmware: network boot by the firmware's own stack, then shim and GRUB from the
// node's own disk, an update to the other slot, and a power cut that changes nothing.
import { afterAll, beforeAll, expect, it } from "vitest";
import { type InstallLab, startInstallLab } from "./install-lab.ts";
import type { Vm } from "./vm.ts";

let lab: InstallLab;
let vm: Vm;

beforeAll(async () => {
  lab = await startInstallLab({ recipes: ["lite", "lite-v2"], provingMs: 8_000 });
  vm = await lab.powerOn("uefi");
});
afterAll(async () => {
  await vm?.cutPower();
  await lab?.close();
});

it("a UEFI computer is installed over the network and boots its own disk", async () => {
  lab.order({ isClassified: true, installSerial: 1, committed: 0 });
  await vm.waitFor(/drover-install: done/, 150_000);
  lab.order({ installSerial: null });
  await vm.waitFor(/drover-node: booted slot a image [0-9a-f]{8} why cold/, 90_000);
  const [facts] = lab.reports().filter((report) => report.kind === "node-facts");
  expect(facts?.facts).toMatchObject({ firmware: "uefi", secureBoot: false });
});

it("changes release and stays on it after a power cut", async () => {
  lab.order({ assigned: 1 });
  await vm.waitFor(/drover-node: booted slot b image [0-9a-f]{8} why try/, 150_000);
  const tried = vm.console.lines.length;
  await vm.waitFor(/drover-node: committed [0-9a-f]{8}/, 60_000, tried);
  lab.order({ committed: 1, assigned: null });
  await vm.cutPower();
  vm = await lab.powerOn("uefi");
  await vm.waitFor(/drover-node: booted slot b image [0-9a-f]{8} why cold/, 90_000);
});
