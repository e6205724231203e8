// Builds replies: which options they carry and where they go (RFC 2131 §4.1, §4.3). Flags, relay
// address and relay information go back exactly as they came.
import type { BootChoice } from "./boot-choice.ts";
import type { BootSite } from "./boot-site.ts";
import { broadcastFlag, type DhcpMessage, messageType, option } from "./dhcp-message.ts";
import {
  ipListBytes,
  readSubOptions,
  secondsBytes,
  subOptionBytes,
  textBytes,
} from "./dhcp-options.ts";
import { broadcastIp, ipv4FromBytes, ipv4ToBytes, subnetMask, unspecifiedIp } from "./ipv4.ts";

export interface SendTo {
  readonly ip: string;
  readonly port: number;
}

export interface ReplyParts {
  readonly kind: "offer" | "ack";
  readonly yourIp: string;
  /** Absent in the answer to INFORM, which leases nothing. */
  readonly leaseMs?: number;
  readonly choice: BootChoice;
}

const relayPort = 67;
const clientPort = 68;
/** Relay information sub-option 11: the relay wants to be named as the server (RFC 5107). */
const serverIdOverride = 11;
/** iPXE sub-option "no-pxedhcp": stop waiting for proxies. */
const ipxeNoProxy = { code: 176, bytes: Uint8Array.of(1) };

/** The address the client must know us by: ours, or the one its relay asks for. */
export function serverIdFor(request: DhcpMessage, site: BootSite): string {
  const override = readSubOptions(request.options.get(option.relayInfo)).find(
    (item) => item.code === serverIdOverride && item.bytes.length === 4,
  );
  return override === undefined ? site.serverIp : ipv4FromBytes(override.bytes);
}

export function buildReply(request: DhcpMessage, site: BootSite, parts: ReplyParts): DhcpMessage {
  const options = new Map<number, Uint8Array>();
  options.set(option.messageType, Uint8Array.of(messageType[parts.kind]));
  options.set(option.serverId, ipv4ToBytes(serverIdFor(request, site)));
  options.set(option.subnetMask, ipv4ToBytes(subnetMask(site.subnet)));
  if (site.routerIps.length > 0) options.set(option.router, ipListBytes(site.routerIps));
  if (site.dnsIps.length > 0) options.set(option.dns, ipListBytes(site.dnsIps));
  if (parts.leaseMs !== undefined) {
    const seconds = Math.floor(parts.leaseMs / 1000);
    options.set(option.leaseTime, secondsBytes(seconds));
    options.set(option.renewalTime, secondsBytes(seconds * 0.5));
    options.set(option.rebindingTime, secondsBytes(seconds * 0.875));
  }
  echo(request, options);
  const bootFile = addBootOptions(options, request, site, parts.choice);
  return {
    ...answering(request, options),
    yourIp: parts.yourIp,
    nextServerIp: bootFile === "" ? unspecifiedIp : site.serverIp,
    serverName: bootFile === "" ? "" : site.serverIp,
    bootFile: bootFile.length > 127 ? "" : bootFile,
  };
}

/** Adds what a booting client needs and returns its boot file, empty when it gets none. */
function addBootOptions(
  options: Map<number, Uint8Array>,
  request: DhcpMessage,
  site: BootSite,
  choice: BootChoice,
): string {
  if (choice.kind === "address-only" || choice.kind === "silence") return "";
  const bootFile = choice.kind === "loader" ? choice.name : choice.url;
  options.set(option.tftpServerName, textBytes(site.serverIp));
  options.set(option.bootFileName, textBytes(bootFile));
  // UEFI HTTP boot drops replies without it. PXE firmware must not see `PXEClient` here: without
  // option 43 it would turn to port 4011 and wait there.
  if (choice.kind === "http-loader") options.set(option.vendorClass, textBytes("HTTPClient"));
  const uuid = request.options.get(option.clientUuid);
  if (uuid?.length === 17) options.set(option.clientUuid, uuid);
  if (choice.kind === "script") options.set(option.ipxe, subOptionBytes([ipxeNoProxy]));
  return bootFile;
}

export function buildNak(request: DhcpMessage, site: BootSite, reason: string): DhcpMessage {
  const options = new Map<number, Uint8Array>([
    [option.messageType, Uint8Array.of(messageType.nak)],
    [option.serverId, ipv4ToBytes(serverIdFor(request, site))],
    [option.message, textBytes(reason)],
  ]);
  echo(request, options);
  const relayed = request.relayIp !== unspecifiedIp;
  const reply = answering(request, options);
  // The client may not own its address any more, so its relay has to broadcast (RFC 2131 §4.3.2).
  return {
    ...reply,
    clientIp: unspecifiedIp,
    flags: relayed ? reply.flags | broadcastFlag : reply.flags,
  };
}

/** Client id (RFC 6842) and relay information (RFC 3046) go back verbatim. */
function echo(request: DhcpMessage, options: Map<number, Uint8Array>): void {
  for (const code of [option.clientId, option.relayInfo]) {
    const bytes = request.options.get(code);
    if (bytes !== undefined) options.set(code, bytes);
  }
}

function answering(request: DhcpMessage, options: ReadonlyMap<number, Uint8Array>): DhcpMessage {
  return {
    ...request,
    op: "reply",
    hops: 0,
    secs: 0,
    yourIp: unspecifiedIp,
    nextServerIp: unspecifiedIp,
    serverName: "",
    bootFile: "",
    options,
  };
}

/** Where an OFFER or ACK goes. The broadcast flag never outranks a relay. */
export function replyAddress(request: DhcpMessage): SendTo {
  if (request.relayIp !== unspecifiedIp) return { ip: request.relayIp, port: relayPort };
  if (request.clientIp !== unspecifiedIp) return { ip: request.clientIp, port: clientPort };
  // Without the flag a reply could be unicast to an address the client does not answer ARP for yet;
  // that needs a raw socket, and every client takes a broadcast as well.
  return { ip: broadcastIp, port: clientPort };
}

export function nakAddress(request: DhcpMessage): SendTo {
  return request.relayIp === unspecifiedIp
    ? { ip: broadcastIp, port: clientPort }
    : { ip: request.relayIp, port: relayPort };
}
