// Discovers what this computer is from /sys and /proc. Text comes from firmware: it is cut to length
// and printable characters, never trusted.
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { type DiskFacts, type LinkFacts, NodeFacts } from "@drover/shared/node/facts";

function text(path: string): string {
  try {
    return readFileSync(path, "latin1")
      .replace(/[^\x20-\x7e]/g, " ")
      .trim()
      .slice(0, 200);
  } catch {
    // A missing or unreadable attribute is an unknown fact, not a failure.
    return "";
  }
}

const number = (path: string): number => {
  const value = Number(text(path));
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
};

const folders = (path: string): string[] => (existsSync(path) ? readdirSync(path).sort() : []);

function transportOf(name: string): string {
  if (name.startsWith("vd")) return "virtio";
  if (name.startsWith("nvme")) return "nvme";
  if (name.startsWith("mmcblk")) return "mmc";
  let path = "";
  try {
    path = readlinkSync(`/sys/block/${name}`);
  } catch {
    return "unknown";
  }
  if (path.includes("/usb")) return "usb";
  return path.includes("/ata") ? "sata" : "scsi";
}

/** Disks that could hold a system: whole, writable, not removable media readers or memory. */
export function readDisks(): DiskFacts[] {
  return folders("/sys/block")
    .filter((name) => /^(vd|sd|nvme|mmcblk)/.test(name) && !/boot\d$|rpmb$/.test(name))
    .filter(
      (name) => number(`/sys/block/${name}/size`) > 0 && text(`/sys/block/${name}/ro`) !== "1",
    )
    .map((name) => {
      const folder = `/sys/block/${name}`;
      return {
        name,
        sizeBytes: number(`${folder}/size`) * 512,
        logicalBlockBytes: number(`${folder}/queue/logical_block_size`) || 512,
        transport: transportOf(name),
        serial: text(`${folder}/serial`) || text(`${folder}/device/serial`),
        wwn: text(`${folder}/wwid`) || text(`${folder}/device/wwid`),
        model: text(`${folder}/device/model`),
      };
    });
}

/** Links with hardware behind them. */
export function readLinks(): LinkFacts[] {
  const links: LinkFacts[] = [];
  for (const name of folders("/sys/class/net")) {
    const folder = `/sys/class/net/${name}`;
    const mac = text(`${folder}/address`).toLowerCase();
    if (!existsSync(`${folder}/device`) || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) continue;
    let driver = "";
    try {
      driver = basename(readlinkSync(`${folder}/device/driver`));
    } catch {
      driver = "unknown";
    }
    links.push({
      name,
      mac: mac as LinkFacts["mac"],
      driver,
      carrier: text(`${folder}/carrier`) === "1",
      speedMbit: number(`${folder}/speed`),
    });
  }
  return links;
}

function secureBoot(): boolean {
  // UEFI 2.10 §3.3: four attribute bytes, then one byte that is 1 when Secure Boot is on.
  const path = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
  return existsSync(path) && readFileSync(path)[4] === 1;
}

/** All facts of this computer. */
export function readFacts(): NodeFacts {
  const dmi = "/sys/class/dmi/id";
  const cpuText = text("/proc/cpuinfo") && readFileSync("/proc/cpuinfo", "latin1");
  const memory = /MemTotal:\s+(\d+) kB/.exec(readFileSync("/proc/meminfo", "latin1"))?.[1];
  return NodeFacts.parse({
    vendor: text(`${dmi}/sys_vendor`),
    model: text(`${dmi}/product_name`),
    serial: text(`${dmi}/product_serial`),
    uuid: text(`${dmi}/product_uuid`).toLowerCase(),
    firmware: existsSync("/sys/firmware/efi") ? "uefi" : "bios",
    firmwareVersion: text(`${dmi}/bios_version`),
    secureBoot: secureBoot(),
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    cpuModel: (/model name\s*: (.*)/.exec(cpuText)?.[1] ?? "").slice(0, 200),
    cpuCount: (cpuText.match(/^processor\s*:/gm) ?? []).length,
    memoryBytes: Number(memory ?? 0) * 1024,
    kernel: text("/proc/sys/kernel/osrelease"),
    disks: readDisks(),
    links: readLinks(),
  });
}
