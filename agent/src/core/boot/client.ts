// Who is asking: everything a DHCP request says about its sender, judged once. Identity is
// (htype, chaddr) alone, since the client id changes between ROM, iPXE, installer and OS.
import { type DhcpMessage, option } from "./dhcp-message.ts";
import {
  readArchitectures,
  readClientUuid,
  readSubOptions,
  readText,
  readUserClasses,
  uuidTexts,
} from "./dhcp-options.ts";

/** Firmware family of a client that boots from the network. */
export type Firmware = "bios" | "uefi-x64" | "uefi-arm64" | "unsupported";

export interface BootClient {
  /** Lease key, `<htype>:<chaddr in hex>`. */
  readonly key: string;
  /** Ethernet address, or undefined when the hardware address is none. */
  readonly mac?: string;
  /** Who sends: network firmware, its HTTP boot, any iPXE, or an operating system. */
  readonly stage: "pxe" | "http" | "ipxe" | "system";
  readonly firmware: Firmware;
  /** Option 93 as sent. */
  readonly architectures: readonly number[];
  /** iPXE can load our script only when it advertises HTTP (option 175.19). */
  readonly ipxeHasHttp: boolean;
  /** Both readings of the system UUID, or none. */
  readonly uuids: readonly string[];
}

/** Option 175 sub-option by which iPXE says it speaks HTTP. */
const ipxeHttpFeature = 19;

/** Raspberry Pi boards may claim BIOS; their address block tells the truth. */
const arm64Blocks = ["b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd"];

export function describeClient(message: DhcpMessage): BootClient {
  const architectures = readArchitectures(message.options);
  const mac = macOf(message);
  const uuid = readClientUuid(message.options);
  const features = readSubOptions(message.options.get(option.ipxe));
  return {
    key: leaseKey(message),
    ...(mac === undefined ? {} : { mac }),
    stage: stageOf(message, architectures),
    firmware: firmwareOf(architectures, mac),
    architectures,
    ipxeHasHttp: features.some((feature) => feature.code === ipxeHttpFeature),
    uuids: uuid === undefined ? [] : uuidTexts(uuid),
  };
}

/** UEFI firmware may send its 16-byte GUID as chaddr, so the length is part of the key through the text. */
export function leaseKey(message: DhcpMessage): string {
  return `${message.htype}:${hex(message.hardware).join("")}`;
}

function macOf(message: DhcpMessage): string | undefined {
  return message.htype === 1 && message.hardware.length === 6
    ? hex(message.hardware).join(":")
    : undefined;
}

function hex(bytes: Uint8Array): string[] {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
}

function stageOf(message: DhcpMessage, architectures: readonly number[]): BootClient["stage"] {
  const classes = readUserClasses(message.options);
  if (message.options.has(option.ipxe) || classes.includes("iPXE")) return "ipxe";
  const vendorClass = readText(message.options, option.vendorClass) ?? "";
  if (architectures.length === 0) return "system";
  if (vendorClass.startsWith("HTTPClient")) return "http";
  return vendorClass.startsWith("PXEClient") ? "pxe" : "system";
}

/** IANA processor architecture types; 9 is EBC by name and x64 in practice (RFC 4578 errata). */
function firmwareOf(architectures: readonly number[], mac: string | undefined): Firmware {
  if (mac !== undefined && arm64Blocks.includes(mac.slice(0, 8))) return "uefi-arm64";
  for (const value of architectures) {
    if (value === 0 || value === 20) return "bios";
    if (value === 7 || value === 9 || value === 16 || value === 17) return "uefi-x64";
    if (value === 11 || value === 19) return "uefi-arm64";
  }
  return "unsupported";
}
