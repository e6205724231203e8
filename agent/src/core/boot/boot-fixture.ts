// Requests and a site for tests of the boot decisions: what BIOS ROMs, UEFI firmware, iPXE and
// installed systems really send, as small builders.
import { type BootSite, defaultLeaseTimes } from "./boot-site.ts";
import { type DhcpMessage, type MessageTypeName, messageType, option } from "./dhcp-message.ts";
import { textBytes } from "./dhcp-options.ts";
import { ipv4ToBytes } from "./ipv4.ts";

export const serverIp = "10.77.0.1";
export const nodeMac = "52:54:00:77:00:01";

export const sampleSite: BootSite = {
  siteId: "site-1",
  mode: "serve",
  serverIp,
  httpPort: 8067,
  subnet: { networkIp: "10.77.0.0", prefixBits: 24 },
  pool: { firstIp: "10.77.0.100", lastIp: "10.77.0.103" },
  routerIps: [],
  dnsIps: [],
  leases: defaultLeaseTimes,
  reservations: [],
  nodes: [{ nodeId: "node-1", macs: [nodeMac], intent: "install", localBoot: "silence" }],
  files: {
    loaders: { bios: "undionly.kpxe", uefiX64: "snponly.efi" },
    installer: { kernel: "vmlinuz", initrds: ["installer.img"], args: ["console=ttyS0"] },
  },
};

/** Who sends: each adds its own options. */
export type Sender =
  | "bios"
  | "uefi"
  | "uefi-http"
  | "ipxe"
  | "ipxe-efi"
  | "ipxe-no-http"
  | "system";

const architectures: Record<Exclude<Sender, "system">, number> = {
  bios: 0,
  uefi: 7,
  "uefi-http": 16,
  ipxe: 0,
  "ipxe-efi": 7,
  "ipxe-no-http": 0,
};

function senderOptions(sender: Sender): [number, Uint8Array][] {
  if (sender === "system") return [];
  const code = architectures[sender];
  const vendorClass = sender === "uefi-http" ? "HTTPClient" : "PXEClient";
  const options: [number, Uint8Array][] = [
    [option.architecture, Uint8Array.of(0, code)],
    [
      option.vendorClass,
      textBytes(`${vendorClass}:Arch:${String(code).padStart(5, "0")}:UNDI:003016`),
    ],
    [option.clientUuid, Uint8Array.from({ length: 17 }, (_, index) => index)],
  ];
  if (!sender.startsWith("ipxe")) return options;
  const features = sender === "ipxe-no-http" ? [16, 1, 1] : [16, 1, 1, 19, 1, 1];
  return [
    ...options,
    [option.userClass, textBytes("iPXE")],
    [option.ipxe, Uint8Array.from(features)],
  ];
}

export interface Asking {
  readonly mac?: string;
  readonly sender?: Sender;
  readonly fields?: Partial<Omit<DhcpMessage, "options">>;
  readonly options?: readonly (readonly [number, Uint8Array])[];
}

/** One request of the sample node. */
export function asking(type: MessageTypeName, from: Asking = {}): DhcpMessage {
  const mac = from.mac ?? nodeMac;
  return {
    op: "request",
    htype: 1,
    hops: 0,
    xid: 0x1234_5678,
    secs: 4,
    flags: 0,
    clientIp: "0.0.0.0",
    yourIp: "0.0.0.0",
    nextServerIp: "0.0.0.0",
    relayIp: "0.0.0.0",
    hardware: Uint8Array.from(mac.split(":"), (byte) => Number.parseInt(byte, 16)),
    serverName: "",
    bootFile: "",
    ...from.fields,
    options: new Map([
      [option.messageType, Uint8Array.of(messageType[type])],
      ...senderOptions(from.sender ?? "bios"),
      ...(from.options ?? []),
    ]),
  };
}

/** Option 50 and, unless `server` is undefined, option 54. */
export function choosing(ip: string, server: string | undefined): [number, Uint8Array][] {
  const requested: [number, Uint8Array] = [option.requestedIp, ipv4ToBytes(ip)];
  return server === undefined ? [requested] : [requested, [option.serverId, ipv4ToBytes(server)]];
}
