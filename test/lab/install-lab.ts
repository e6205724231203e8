// One site with one computer, on which whole lives of a node are played: installed over the network,
// changed, fallen back. The test gives orders as a control plane would and reads what was reported.
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report } from "@drover/shared/messages/report";
import type { LabOrders } from "./lab-fleet.ts";
import { buildLabImages } from "./lab-images.ts";
import type { LabSiteFile } from "./lab-site.ts";
import { createNamespace } from "./namespace.ts";
import { type SiteHost, startSiteHost } from "./site-host.ts";
import { createDisk, powerOn, type Vm } from "./vm.ts";
import type { VmFirmware } from "./vm-args.ts";

export interface InstallLab {
  readonly runFolder: string;
  readonly host: SiteHost;
  order(change: Partial<Omit<LabOrders, "generation">>): void;
  powerOn(firmware: VmFirmware): Promise<Vm>;
  /** Flips one bit of a root file system in the site's cache; again, and it is as before. */
  flipBit(release: number, offset: number): void;
  /** Every report the site has taken so far. */
  reports(): Report[];
  close(): Promise<void>;
}

const mac = "52:54:00:77:10:01";
const diskBytes = 1500 * 1024 * 1024;

const unclassified: LabOrders = {
  generation: 1,
  isClassified: false,
  installSerial: null,
  committed: null,
  assigned: null,
};

function flipBit(path: string, offset: number): void {
  const file = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  writeSync(file, Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, offset);
  closeSync(file);
}

function readReports(host: SiteHost): Report[] {
  return host.console.lines
    .filter(({ text }) => text.startsWith("report "))
    .map(({ text }) => JSON.parse(text.slice("report ".length)) as Report);
}

/** Builds images, starts the site with its node unclassified. */
export async function startInstallLab(options: {
  readonly recipes: readonly string[];
  readonly provingMs: number;
}): Promise<InstallLab> {
  const kept = process.env["DROVER_LAB_RUN"];
  const runFolder = mkdtempSync(join(kept ?? tmpdir(), "drover-install-"));
  const built = await buildLabImages(join(runFolder, "built"), options.recipes);
  mkdirSync(join(runFolder, "files"));
  for (const { name, path } of built.bootFiles) copyFileSync(path, join(runFolder, "files", name));
  const namespace = createNamespace({ taps: 1 });
  const settings: LabSiteFile = {
    serverIp: namespace.siteIp,
    mac,
    provingMs: options.provingMs,
    images: built.images,
    installerArgs: built.installerArgs,
  };
  writeFileSync(join(runFolder, "site.json"), JSON.stringify(settings));
  let orders = unclassified;
  const keepOrders = (): void => {
    const path = join(runFolder, "orders.json");
    writeFileSync(`${path}.new`, JSON.stringify(orders));
    renameSync(`${path}.new`, path);
  };
  keepOrders();
  const host = startSiteHost({
    namespace,
    runFolder,
    name: "site",
    script: join(import.meta.dirname, "lab-site.ts"),
    args: [runFolder],
  });
  const close = async (): Promise<void> => {
    await host.stop();
    namespace.close();
    if (kept === undefined) rmSync(runFolder, { recursive: true });
  };
  try {
    await host.waitFor(/^lab site ready/, 3_000);
  } catch (error) {
    await close();
    throw error;
  }
  const disk = createDisk(join(runFolder, "node.disk"), diskBytes);
  return {
    runFolder,
    host,
    close,
    order(change) {
      orders = { ...orders, ...change, generation: orders.generation + 1 };
      keepOrders();
    },
    powerOn: (firmware) =>
      powerOn(
        {
          name: "node",
          firmware,
          memoryMb: 1024,
          mac,
          nicBoot: firmware === "bios" ? "ipxe-rom" : "firmware-pxe",
          disks: [{ file: disk, serial: "lab-node" }],
        },
        { namespace, tap: "tap0", runFolder },
      ),
    flipBit: (release, offset) => flipBit(join(built.images[release] ?? "", "root.erofs"), offset),
    reports: () => readReports(host),
  };
}
