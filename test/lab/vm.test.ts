// One lab computer's buttons: power, reset and plug, on a disk whose write cache forgets.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { diskMarker, talkingBootSector } from "./boot-sector.ts";
import { createNamespace, type LabNamespace } from "./namespace.ts";
import { serveVolatileDisk } from "./nbd.ts";
import { createDisk, powerOn } from "./vm.ts";
import type { VmShape } from "./vm-args.ts";

let runFolder = "";
let namespace: LabNamespace;

beforeAll(() => {
  runFolder = mkdtempSync(join(tmpdir(), "drover-vm-"));
  namespace = createNamespace({ taps: 1 });
});
afterAll(() => {
  namespace?.close();
  rmSync(runFolder, { recursive: true });
});

function shapeWith(file: string): VmShape {
  const mac = "52:54:00:77:00:09";
  const disks = [{ file, serial: "lab-0" }];
  return { name: "vm", firmware: "bios", memoryMb: 128, mac, nicBoot: "ipxe-rom", disks };
}

test("a computer boots from a served disk, again after a reset, and is gone after a power cut", async () => {
  const path = createDisk(join(runFolder, "disk"), 1024 * 1024);
  writeFileSync(path, talkingBootSector(), { flag: "r+" });
  const disk = await serveVolatileDisk({ path, socketPath: join(runFolder, "nbd"), seed: 1 });
  const vm = await powerOn(shapeWith(disk.url), { namespace, tap: "tap0", runFolder });
  const marker = new RegExp(diskMarker);
  await vm.waitFor(marker, 3000);
  const before = vm.console.lines.length;
  await vm.reset();
  await vm.waitFor(marker, 3000, before);
  expect(vm.qmp.events.map((event) => event.name)).toContain("RESET");
  expect(vm.use().cpuSeconds).toBeGreaterThan(0);
  await vm.cutPower();
  await disk.close();
  await expect(vm.qmp.execute("query-status")).rejects.toThrow(/QEMU is gone/);
  const log = readFileSync(join(runFolder, "vm.console.log"), "utf8");
  expect(log).toMatch(
    /lab: power on, bios, (tcg|kvm) because .*[\s\S]*lab: reset[\s\S]*lab: power cut/,
  );
});

test("a computer that cannot start says why in QEMU's words", async () => {
  const shape = shapeWith(join(runFolder, "absent"));
  await expect(powerOn(shape, { namespace, tap: "tap0", runFolder })).rejects.toThrow(
    /QEMU did not start.*(No such file|Could not open)/,
  );
});
