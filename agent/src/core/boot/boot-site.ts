// What the boot services need to know of a site. The caller derives it from desired state and site
// config; nothing here is a secret, because every byte served from it can be read on the LAN.
import type { Subnet } from "./ipv4.ts";

/** `listen` answers nobody and records who answers; `serve` is the only DHCP server of the LAN. */
export type DhcpMode = "listen" | "serve";

/** Why a node may boot from the network now. `local` and `none` get an address, never a boot file. */
export type BootIntent = "install" | "inventory" | "rescue" | "local" | "none";

/** A known computer. `macs` are lower-case `aa:bb:cc:dd:ee:ff`. */
export interface BootNode {
  readonly nodeId: string;
  readonly macs: readonly string[];
  readonly intent: BootIntent;
  /** How a node of intent `local` with network first in its boot order reaches its disk. */
  readonly localBoot: "silence" | "chain";
}

/** A fixed address. One without a node (a printer, a till) gets its address and nothing else. */
export interface Reservation {
  readonly mac: string;
  readonly ip: string;
}

/** Inclusive range of addresses to lease. */
export interface Pool {
  readonly firstIp: string;
  readonly lastIp: string;
}

/** File names under `/boot/files/` and on TFTP, by firmware. Absent: that firmware is not served. */
export interface LoaderFiles {
  readonly bios?: string;
  readonly uefiX64?: string;
  readonly uefiArm64?: string;
  /** GRUB that finds the installed disk; UEFI nodes of intent `local` with `chain` get it. */
  readonly uefiLocal?: string;
}

/** Kernel, initrds (loaded in this order) and further kernel arguments of the installer. */
export interface InstallerFiles {
  readonly kernel: string;
  readonly initrds: readonly string[];
  readonly args: readonly string[];
}

export interface BootFiles {
  readonly loaders: LoaderFiles;
  readonly installer: InstallerFiles;
}

export interface LeaseTimes {
  /** For an installed system. */
  readonly normalMs: number;
  /** For firmware and installers, which come and go within minutes. */
  readonly bootMs: number;
}

export interface BootSite {
  readonly siteId: string;
  readonly mode: DhcpMode;
  readonly serverIp: string;
  readonly httpPort: number;
  readonly subnet: Subnet;
  readonly pool: Pool;
  readonly routerIps: readonly string[];
  readonly dnsIps: readonly string[];
  readonly leases: LeaseTimes;
  readonly reservations: readonly Reservation[];
  readonly nodes: readonly BootNode[];
  /** Until then (epoch ms) unknown computers are answered too, in inventory mode only. */
  readonly discoverUntil?: number;
  readonly files: BootFiles;
}

/** Address or lease times when a site names none. */
export const defaultLeaseTimes: LeaseTimes = { normalMs: 12 * 3_600_000, bootMs: 10 * 60_000 };

/** Base URL of everything the nodes of a site fetch while booting. */
export function bootUrl(site: BootSite): string {
  return `http://${site.serverIp}:${site.httpPort}/boot`;
}

export function nodeByMac(site: BootSite, mac: string): BootNode | undefined {
  return site.nodes.find((node) => node.macs.includes(mac));
}
