// Finding other DHCP servers on the LAN: the probe we send and what its answers mean. Two servers
// that both lease addresses break a site, so a site that serves asks first.
import { broadcastFlag, type DhcpMessage, messageType, option } from "./dhcp-message.ts";
import { messageTypeOf, readIp, readText } from "./dhcp-options.ts";
import { unspecifiedIp } from "./ipv4.ts";

export interface Probe {
  readonly xid: number;
  /** A locally administered address that belongs to no node. */
  readonly hardware: Uint8Array;
}

export interface ForeignServer {
  readonly serverIp: string;
  /** A proxy offers boot information but no address. */
  readonly kind: "dhcp" | "proxy";
  /** Says `PXEClient` in its offers: UEFI firmware then waits for port 4011 of that server. */
  readonly claimsPxe: boolean;
}

/** A probe from 48 random bits: bit 1 of the first byte marks it as locally administered. */
export function probeFrom(random: { integer(below: number): number }): Probe {
  const hardware = Uint8Array.from({ length: 6 }, () => random.integer(256));
  hardware[0] = ((hardware[0] ?? 0) & 0xfc) | 0x02;
  return { xid: random.integer(0x1_0000_0000), hardware };
}

/** A DISCOVER that asks for broadcast answers, since the probe has no address. */
export function probeMessage(probe: Probe): DhcpMessage {
  return {
    op: "request",
    htype: 1,
    hops: 0,
    xid: probe.xid,
    secs: 0,
    flags: broadcastFlag,
    clientIp: unspecifiedIp,
    yourIp: unspecifiedIp,
    nextServerIp: unspecifiedIp,
    relayIp: unspecifiedIp,
    hardware: probe.hardware,
    serverName: "",
    bootFile: "",
    options: new Map([
      [option.messageType, Uint8Array.of(messageType.discover)],
      [option.parameterList, Uint8Array.of(option.subnetMask, option.router, option.dns)],
    ]),
  };
}

/** The foreign server behind an answer to our probe, or undefined when it is none. */
export function foreignServer(
  message: DhcpMessage,
  probe: Probe,
  ownIp: string,
): ForeignServer | undefined {
  if (message.op !== "reply" || message.xid !== probe.xid) return undefined;
  const type = messageTypeOf(message);
  if (type !== undefined && type !== "offer") return undefined;
  const serverIp = readIp(message.options, option.serverId) ?? message.nextServerIp;
  if (serverIp === ownIp) return undefined;
  const vendorClass = readText(message.options, option.vendorClass) ?? "";
  return {
    serverIp,
    kind: message.yourIp === unspecifiedIp ? "proxy" : "dhcp",
    claimsPxe: vendorClass.startsWith("PXEClient"),
  };
}
