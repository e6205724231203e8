// The less common ways real firmware meets our boot services: HTTP boot, Secure Boot, and nodes that are
// left alone because they boot from their disk.
import type { BootNode } from "@drover/agent/core/boot/boot-site";
import { afterAll, beforeAll, expect, test } from "vitest";
import { diskMarker, talkingBootSector } from "./boot-sector.ts";
import { kernelMarker, type PxeLab, startPxeLab } from "./pxe-lab.ts";
import type { Vm, VmUse } from "./vm.ts";

const macs = {
  http: "52:54:00:77:00:03",
  secure: "52:54:00:77:00:04",
  silent: "52:54:00:77:00:05",
  chained: "52:54:00:77:00:06",
};
const node = (
  nodeId: string,
  mac: string,
  rest: Pick<BootNode, "intent" | "localBoot">,
): BootNode => ({
  nodeId,
  macs: [mac],
  ...rest,
});
const nodes = [
  node("http", macs.http, { intent: "install", localBoot: "silence" }),
  node("secure", macs.secure, { intent: "install", localBoot: "silence" }),
  node("silent", macs.silent, { intent: "local", localBoot: "silence" }),
  node("chained", macs.chained, { intent: "local", localBoot: "chain" }),
];
let lab: PxeLab;

beforeAll(async () => {
  lab = await startPxeLab(nodes);
});
afterAll(() => lab?.close());

async function untilOff(vm: Vm, check: () => Promise<void>): Promise<VmUse> {
  try {
    await check();
    return vm.use();
  } finally {
    await vm.cutPower();
  }
}

test("a UEFI computer boots by HTTP boot, without TFTP", async () => {
  const vm = await lab.powerOn({
    name: "http",
    firmware: "uefi",
    mac: macs.http,
    nicBoot: "firmware-http",
  });
  await untilOff(vm, async () => {
    await vm.waitFor(new RegExp(kernelMarker), 15_000);
  });
  expect(lab.eventsOf(macs.http)).toContain("script-install");
});

test("with Secure Boot on, firmware refuses a loader nobody signed", async () => {
  const vm = await lab.powerOn({
    name: "secure",
    firmware: "uefi-secure",
    mac: macs.secure,
    nicBoot: "firmware-pxe",
  });
  await untilOff(vm, async () => {
    await vm.waitFor(/Access Denied|Security Violation/i, 15_000);
  });
  expect(lab.eventsOf(macs.secure)).not.toContain("script-install");
});

test.each(["silent", "chained"] as const)(
  "a BIOS computer with network first that is %s goes on to its disk",
  async (name) => {
    const shape = { name, firmware: "bios", mac: macs[name], nicBoot: "ipxe-rom" } as const;
    const vm = await lab.powerOn({ ...shape, isNetworkFirst: true }, talkingBootSector());
    await untilOff(vm, async () => {
      await vm.waitFor(new RegExp(diskMarker), 30_000);
    });
    const silent = lab.eventsOf(macs[name]).every((event) => event === "ignored");
    expect(silent).toBe(name === "silent");
  },
);
