// Real firmware boots through our own DHCP, TFTP and HTTP down to a running kernel, on BIOS and on UEFI.
import type { BootNode } from "@drover/agent/core/boot/boot-site";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chooseAccel } from "./accel.ts";
import { kernelMarker, type PxeLab, startPxeLab } from "./pxe-lab.ts";
import type { NicBoot, VmFirmware } from "./vm-args.ts";

const macs = { bios: "52:54:00:77:00:01", uefi: "52:54:00:77:00:02" };
const nodes: readonly BootNode[] = Object.entries(macs).map(([nodeId, mac]) => ({
  nodeId,
  macs: [mac],
  intent: "install",
  localBoot: "silence",
}));
let lab: PxeLab;

beforeAll(async () => {
  lab = await startPxeLab(nodes);
});
afterAll(() => lab?.close());

async function bootsToMarker(name: keyof typeof macs, firmware: VmFirmware, nicBoot: NicBoot) {
  const vm = await lab.powerOn({ name, firmware, mac: macs[name], nicBoot });
  try {
    const marker = await vm.waitFor(new RegExp(kernelMarker), 15_000);
    const { cpuSeconds, rssMb } = vm.use();
    const { kind } = await chooseAccel();
    const seconds = (marker.atMs / 1000).toFixed(1);
    const figures = `${seconds} s after power-on, ${cpuSeconds} CPU s, ${rssMb} MB, ${kind}`;
    process.stdout.write(`${name}: the kernel ran ${figures}\n`);
    expect(marker.text).toContain("drover.mode=install");
    expect(marker.text).toContain(`drover.mac=${macs[name]}`);
  } finally {
    await vm.cutPower();
  }
}

test("a BIOS computer with an empty disk boots through its iPXE ROM", async () => {
  await bootsToMarker("bios", "bios", "ipxe-rom");
  expect(lab.eventsOf(macs.bios)).toEqual(["offered", "acknowledged", "script-install"]);
});

test("a UEFI computer boots by PXE: a loader over TFTP, then its script over HTTP", async () => {
  await bootsToMarker("uefi", "uefi", "firmware-pxe");
  const twice = ["offered", "acknowledged", "offered", "acknowledged"];
  expect(lab.eventsOf(macs.uefi)).toEqual([...twice, "script-install"]);
});
