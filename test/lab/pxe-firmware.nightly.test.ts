// The less common ways real firmware meets our boot services: HTTP boot, Secure Boot, and nodes that are
// left alone because they boot from their disk.
import type { BootNode } from "@drover/agent/core/boot/boot-site";
import { afterAll, beforeAll, expect, test } from "vitest";
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
      await vm.waitFor(/DISK-MARKER/, 30_000);
    });
    const silent = lab.eventsOf(macs[name]).every((event) => event === "ignored");
    expect(silent).toBe(name === "silent");
  },
);

/** A master boot record that prints DISK-MARKER through the BIOS and halts. */
function talkingBootSector(): Uint8Array {
  const sector = new Uint8Array(512);
  // xor ax,ax; mov ds,ax; mov si,0x7c20; next: lodsb; test al,al; jz stop; mov ah,0x0e; int 0x10;
  // jmp next; stop: hlt; jmp stop
  const code = [0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x20, 0x7c, 0xac, 0x84, 0xc0, 0x74, 0x06, 0xb4, 0x0e];
  sector.set([...code, 0xcd, 0x10, 0xeb, 0xf5, 0xf4, 0xeb, 0xfd]);
  sector.set(new TextEncoder().encode("DISK-MARKER\r\n"), 0x20);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
