// Real firmware boots through our own DHCP, TFTP and HTTP down to a running kernel, on BIOS and on UEFI.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BootSite } from "@drover/agent/core/boot/boot-site";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chooseAccel } from "./accel.ts";
import { debianKernel, writeMarkerInitramfs } from "./boot-kernel.ts";
import { createNamespace, type LabNamespace } from "./namespace.ts";
import { advertiseRouter } from "./router-advertiser.ts";
import { type SiteHost, startSiteHost } from "./site-host.ts";
import { createDisk, powerOn } from "./vm.ts";
import type { NicBoot, VmFirmware } from "./vm-args.ts";

const macs = { bios: "52:54:00:77:00:01", uefi: "52:54:00:77:00:02", http: "52:54:00:77:00:03" };
let runFolder = "";
let namespace: LabNamespace;
let host: SiteHost;

beforeAll(async () => {
  runFolder = process.env["DROVER_LAB_RUN"] ?? mkdtempSync(join(tmpdir(), "drover-pxe-"));
  mkdirSync(runFolder, { recursive: true });
  const files = join(runFolder, "files");
  mkdirSync(files);
  for (const name of ["undionly.kpxe", "snponly.efi"])
    copyFileSync(`/usr/lib/ipxe/${name}`, join(files, name));
  copyFileSync(debianKernel(), join(files, "vmlinuz"));
  writeMarkerInitramfs(join(files, "installer.img"), "BOOT-MARKER");
  namespace = createNamespace({ taps: 1 });
  advertiseRouter(namespace);
  const siteFile = join(runFolder, "site.json");
  writeFileSync(siteFile, JSON.stringify(siteOf(namespace.siteIp)));
  host = startSiteHost({
    namespace,
    runFolder,
    name: "site",
    script: join(import.meta.dirname, "boot-services.ts"),
    args: [siteFile, files, "500"],
  });
  await host.waitFor(/^boot services ready/, 2000);
});

afterAll(async () => {
  await host?.stop();
  namespace?.close();
  if (process.env["DROVER_LAB_RUN"] === undefined) rmSync(runFolder, { recursive: true });
});

function siteOf(serverIp: string): BootSite {
  return {
    siteId: "site-lab",
    mode: "serve",
    serverIp,
    httpPort: 8067,
    subnet: { networkIp: "10.77.0.0", prefixBits: 24 },
    pool: { firstIp: "10.77.0.100", lastIp: "10.77.0.199" },
    routerIps: [],
    dnsIps: [],
    leases: { normalMs: 3_600_000, bootMs: 600_000 },
    reservations: [],
    nodes: Object.entries(macs).map(([nodeId, mac]) => ({
      nodeId,
      macs: [mac],
      intent: "install",
      localBoot: "silence",
    })),
    files: {
      loaders: { bios: "undionly.kpxe", uefiX64: "snponly.efi" },
      installer: {
        kernel: "vmlinuz",
        initrds: ["installer.img"],
        args: ["console=ttyS0", "quiet"],
      },
    },
  };
}

async function bootsToMarker(name: keyof typeof macs, firmware: VmFirmware, nicBoot: NicBoot) {
  const disk = createDisk(join(runFolder, `${name}.disk`), 64 * 1024 * 1024);
  const shape = { name, firmware, memoryMb: 512, mac: macs[name], nicBoot } as const;
  const vm = await powerOn(
    { ...shape, disks: [{ file: disk, serial: `lab-${name}` }] },
    { namespace, tap: "tap0", runFolder },
  );
  try {
    const marker = await vm.waitFor(/BOOT-MARKER/, 30_000);
    const { cpuSeconds, rssMb } = vm.use();
    const accel = await chooseAccel();
    const seconds = (marker.atMs / 1000).toFixed(1);
    process.stdout.write(
      `${name}: kernel ran ${seconds} s after power-on, ${cpuSeconds} CPU s, ${rssMb} MB, ${accel.kind}\n`,
    );
    expect(marker.text).toContain(`drover.mode=install`);
    expect(marker.text).toContain(`drover.mac=${macs[name]}`);
  } finally {
    await vm.cutPower();
  }
}

function eventsOf(mac: string): string[] {
  const events = host.console.lines.flatMap((line) =>
    line.text.startsWith("event ")
      ? [JSON.parse(line.text.slice(6)) as Record<string, unknown>]
      : [],
  );
  return events.filter((event) => event["mac"] === mac).map((event) => String(event["event"]));
}

test("a BIOS computer with an empty disk boots through its iPXE ROM", async () => {
  await bootsToMarker("bios", "bios", "ipxe-rom");
  expect(eventsOf(macs.bios)).toEqual(["offered", "acknowledged", "script-install"]);
});

test("a UEFI computer boots by PXE: snponly.efi over TFTP, then the script over HTTP", async () => {
  await bootsToMarker("uefi", "uefi", "firmware-pxe");
  expect(eventsOf(macs.uefi)).toEqual([
    "offered",
    "acknowledged",
    "offered",
    "acknowledged",
    "script-install",
  ]);
});

test("a UEFI computer boots by HTTP boot, without TFTP", async () => {
  await bootsToMarker("http", "uefi", "firmware-http");
  expect(eventsOf(macs.http)).toContain("script-install");
});
