// DHCP bytes ↔ message (RFC 2131, 3396). Decoding is strict and bounded: any bytes give a message or
// a PacketError. Encoding puts option 67 last before END (82 after it), zero padded, never overloads.
import {
  type DhcpMessage,
  type DhcpOptions,
  messageType,
  option,
} from "../../core/boot/dhcp-message.ts";
import { ipv4FromBytes, ipv4ToBytes } from "../../core/boot/ipv4.ts";
import { PacketError } from "../packet-error.ts";
import { decodeOptions, type OptionArea } from "./option-area.ts";

const headerBytes = 236;
const cookie = 0x63825363;
/** BOOTP relays and old firmware drop anything shorter (RFC 1542 §2.1). */
const smallestBytes = 300;
/** The UDP payload every client takes without announcing option 57: 576 less IP and UDP headers. */
const defaultBytesMax = 548;
/** UEFI firmware drops anything larger than one Ethernet frame. */
const largestBytes = 1472;

/** Parses one UDP payload. Throws {@link PacketError}. */
export function decodeDhcp(bytes: Uint8Array): DhcpMessage {
  if (bytes.length < headerBytes + 4)
    throw new PacketError("DHCP message is shorter than its header");
  if (bytes.length > 65_507) throw new PacketError("DHCP message is larger than a UDP datagram");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const op = view.getUint8(0);
  if (op !== 1 && op !== 2) throw new PacketError(`DHCP op ${op} is neither request nor reply`);
  const hlen = view.getUint8(2);
  if (hlen > 16) throw new PacketError(`DHCP hardware address of ${hlen} bytes is too long`);
  if (view.getUint32(headerBytes) !== cookie) throw new PacketError("DHCP magic cookie is missing");
  const file = bytes.subarray(108, 236);
  const sname = bytes.subarray(44, 108);
  const { options, overloaded } = readAllOptions(bytes.subarray(headerBytes + 4), file, sname);
  return {
    op: op === 1 ? "request" : "reply",
    htype: view.getUint8(1),
    hops: view.getUint8(3),
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    flags: view.getUint16(10),
    clientIp: ipv4FromBytes(bytes, 12),
    yourIp: ipv4FromBytes(bytes, 16),
    nextServerIp: ipv4FromBytes(bytes, 20),
    relayIp: ipv4FromBytes(bytes, 24),
    hardware: bytes.slice(28, 28 + hlen),
    serverName: (overloaded & 2) !== 0 ? "" : zeroTerminated(sname),
    bootFile: (overloaded & 1) !== 0 ? "" : zeroTerminated(file),
    options,
  };
}

/** Fields file and sname hold options too when option 52 says so (RFC 2131 §4.1). */
function readAllOptions(main: Uint8Array, file: Uint8Array, sname: Uint8Array) {
  const parts = new Map<number, Uint8Array[]>();
  decodeOptions(main, parts);
  const marker = parts.get(option.overload);
  let overloaded = 0;
  if (marker !== undefined) {
    const value = marker[0]?.[0];
    if (
      marker.length !== 1 ||
      marker[0]?.length !== 1 ||
      value === undefined ||
      value < 1 ||
      value > 3
    )
      throw new PacketError("DHCP overload option is malformed");
    overloaded = value;
    const areas: OptionArea[] = [];
    if ((value & 1) !== 0) areas.push(file);
    if ((value & 2) !== 0) areas.push(sname);
    for (const area of areas) decodeOptions(area, parts);
    parts.delete(option.overload);
  }
  const options = new Map<number, Uint8Array>();
  for (const [code, pieces] of parts) options.set(code, concatenated(pieces));
  const kind = options.get(option.messageType);
  if (kind !== undefined && (kind.length !== 1 || !isMessageType(kind[0])))
    throw new PacketError("DHCP message type is unknown");
  return { options, overloaded };
}

function isMessageType(value: number | undefined): boolean {
  return value !== undefined && value >= messageType.discover && value <= messageType.inform;
}

/**
 * The UDP payload of a message, at least 300 bytes. `bytesMax` is the largest payload the client
 * takes. Throws {@link PacketError} when the message does not fit or a field is out of range.
 */
export function encodeDhcp(message: DhcpMessage, bytesMax = defaultBytesMax): Uint8Array {
  if (message.hardware.length > 16)
    throw new PacketError("hardware address is longer than 16 bytes");
  const body = encodeOptions(message.options);
  const length = headerBytes + 4 + body.length + 1;
  const limit = Math.min(largestBytes, Math.max(smallestBytes, bytesMax));
  if (length > limit)
    throw new PacketError(
      `DHCP message of ${length} bytes does not fit the ${limit} the client takes`,
    );
  const bytes = new Uint8Array(Math.max(smallestBytes, length));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, message.op === "request" ? 1 : 2);
  view.setUint8(1, message.htype);
  view.setUint8(2, message.hardware.length);
  view.setUint8(3, message.hops);
  view.setUint32(4, message.xid);
  view.setUint16(8, message.secs);
  view.setUint16(10, message.flags);
  bytes.set(ipv4ToBytes(message.clientIp), 12);
  bytes.set(ipv4ToBytes(message.yourIp), 16);
  bytes.set(ipv4ToBytes(message.nextServerIp), 20);
  bytes.set(ipv4ToBytes(message.relayIp), 24);
  bytes.set(message.hardware, 28);
  bytes.set(fieldText(message.serverName, 63, "server name"), 44);
  bytes.set(fieldText(message.bootFile, 127, "boot file"), 108);
  view.setUint32(headerBytes, cookie);
  bytes.set(body, headerBytes + 4);
  bytes[headerBytes + 4 + body.length] = 255;
  return bytes;
}

function encodeOptions(options: DhcpOptions): Uint8Array {
  const rank = (code: number): number => {
    if (code === option.messageType) return 0;
    if (code === option.bootFileName) return 256;
    return code === option.relayInfo ? 257 : code;
  };
  const pieces: Uint8Array[] = [];
  const codes = [...options.keys()].sort((a, b) => rank(a) - rank(b));
  for (const code of codes) {
    if (!Number.isInteger(code) || code < 1 || code > 254 || code === option.overload)
      throw new PacketError(`option ${code} cannot be sent`);
    const value = options.get(code) ?? new Uint8Array();
    for (let start = 0; start === 0 || start < value.length; start += 255) {
      const piece = value.subarray(start, start + 255);
      pieces.push(Uint8Array.of(code, piece.length), piece);
    }
  }
  return concatenated(pieces);
}

/**
 * The largest UDP payload a client takes: option 57 counts the whole IP datagram (RFC 2132 §9.10),
 * and is never below 576.
 */
export function payloadBytesMax(request: DhcpMessage): number {
  const announced = request.options.get(option.maxMessageSize);
  if (announced === undefined || announced.length !== 2) return defaultBytesMax;
  const datagramBytes = new DataView(announced.buffer, announced.byteOffset).getUint16(0);
  return Math.min(largestBytes, Math.max(defaultBytesMax, datagramBytes - 28));
}

function zeroTerminated(field: Uint8Array): string {
  const end = field.indexOf(0);
  return latin1(end < 0 ? field : field.subarray(0, end));
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function fieldText(text: string, bytesMax: number, what: string): Uint8Array {
  if (text.length > bytesMax) throw new PacketError(`${what} is longer than ${bytesMax} bytes`);
  return Uint8Array.from(text, (character) => {
    const value = character.charCodeAt(0);
    if (value === 0 || value > 255) throw new PacketError(`${what} holds a character it cannot`);
    return value;
  });
}

function concatenated(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
