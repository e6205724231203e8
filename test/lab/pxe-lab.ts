// A small network with our boot services on it, for tests of the boot path alone: what is installed is
// a kernel that prints one line.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BootNode, BootSite } from "@drover/agent/core/boot/boot-site";
import { debianKernel, writeMarkerInitramfs } from "./boot-kernel.ts";
import { createNamespace } from "./namespace.ts";
import { advertiseRouter } from "./router-advertiser.ts";
import { startSiteHost } from "./site-host.ts";
import { createDisk, powerOn, type Vm } from "./vm.ts";
import type { VmShape } from "./vm-args.ts";

export const kernelMarker = "BOOT-MARKER";

export interface PxeLab {
  readonly runFolder: string;
  /** Powers a computer on that has one disk, empty but for `firstBytes`. */
  powerOn(shape: Omit<VmShape, "memoryMb" | "disks">, firstBytes?: Uint8Array): Promise<Vm>;
  /** The kinds of boot events of one node so far, in order. */
  eventsOf(mac: string): string[];
  close(): Promise<void>;
}

/** Starts network and services. `DROVER_LAB_RUN` names a folder to keep logs in. */
export async function startPxeLab(nodes: readonly BootNode[]): Promise<PxeLab> {
  const kept = process.env["DROVER_LAB_RUN"];
  const runFolder = mkdtempSync(join(kept ?? tmpdir(), "drover-pxe-"));
  const files = fillFiles(join(runFolder, "files"));
  const namespace = createNamespace({ taps: 1 });
  advertiseRouter(namespace);
  const siteFile = join(runFolder, "site.json");
  writeFileSync(siteFile, JSON.stringify(siteOf(namespace.siteIp, nodes)));
  const host = startSiteHost({
    namespace,
    runFolder,
    name: "site",
    script: join(import.meta.dirname, "boot-services.ts"),
    args: [siteFile, files, "500"],
  });
  const close = async (): Promise<void> => {
    await host.stop();
    namespace.close();
    if (kept === undefined) rmSync(runFolder, { recursive: true });
  };
  try {
    await host.waitFor(/^boot services ready/, 2000);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    runFolder,
    close,
    powerOn: (shape, firstBytes = new Uint8Array()) => {
      const file = createDisk(join(runFolder, `${shape.name}.disk`), 64 * 1024 * 1024);
      writeFileSync(file, firstBytes, { flag: "r+" });
      const disks = [{ file, serial: `lab-${shape.name}` }];
      return powerOn({ ...shape, memoryMb: 512, disks }, { namespace, tap: "tap0", runFolder });
    },
    eventsOf: (mac) => {
      const lines = host.console.lines.filter((line) => line.text.startsWith("event "));
      const events = lines.map((line) => JSON.parse(line.text.slice(6)) as Record<string, unknown>);
      return events.filter((event) => event["mac"] === mac).map((event) => String(event["event"]));
    },
  };
}

function fillFiles(folder: string): string {
  mkdirSync(folder);
  for (const name of ["undionly.kpxe", "snponly.efi"])
    copyFileSync(`/usr/lib/ipxe/${name}`, join(folder, name));
  copyFileSync(debianKernel(), join(folder, "vmlinuz"));
  writeMarkerInitramfs(join(folder, "installer.img"), kernelMarker);
  return folder;
}

function siteOf(serverIp: string, nodes: readonly BootNode[]): BootSite {
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
    nodes,
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
