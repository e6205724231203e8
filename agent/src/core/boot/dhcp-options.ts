// Typed readers and builders for DHCP options. A malformed option reads as absent: it never costs
// the client its answer, because firmware gets many of them wrong.

import {
  type DhcpMessage,
  type DhcpOptions,
  type MessageTypeName,
  messageType,
  option,
} from "./dhcp-message.ts";
import { ipv4FromBytes, ipv4ToBytes } from "./ipv4.ts";

/** One sub-option of an encapsulated option (43, 82, 175). */
export interface SubOption {
  readonly code: number;
  readonly bytes: Uint8Array;
}

const typeNames: readonly (readonly [MessageTypeName, number])[] = [
  ["discover", messageType.discover],
  ["offer", messageType.offer],
  ["request", messageType.request],
  ["decline", messageType.decline],
  ["ack", messageType.ack],
  ["nak", messageType.nak],
  ["release", messageType.release],
  ["inform", messageType.inform],
];

/** Option 53, or undefined for plain BOOTP. */
export function messageTypeOf(message: DhcpMessage): MessageTypeName | undefined {
  const value = message.options.get(option.messageType)?.[0];
  return typeNames.find(([, number]) => number === value)?.[0];
}

export function readIp(options: DhcpOptions, code: number): string | undefined {
  const bytes = options.get(code);
  return bytes?.length === 4 ? ipv4FromBytes(bytes) : undefined;
}

/** Printable text of an option; trailing NULs are dropped as some clients count them in. */
export function readText(options: DhcpOptions, code: number): string | undefined {
  const bytes = options.get(code);
  if (bytes === undefined) return undefined;
  const text = String.fromCharCode(...bytes.subarray(0, 1024)).replace(/\0+$/, "");
  return /^[\x20-\x7e]*$/.test(text) ? text : undefined;
}

/** Option 93 (RFC 4578 §2.1): a list of 16-bit architectures, the preferred one first. */
export function readArchitectures(options: DhcpOptions): readonly number[] {
  const bytes = options.get(option.architecture);
  if (bytes === undefined || bytes.length === 0 || bytes.length % 2 !== 0) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 2 }, (_, index) => view.getUint16(index * 2));
}

/** Option 77: length-prefixed items (RFC 3004), or one bare string as iPXE sends it. */
export function readUserClasses(options: DhcpOptions): readonly string[] {
  const bytes = options.get(option.userClass);
  if (bytes === undefined || bytes.length === 0) return [];
  const items: string[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const length = bytes[offset] ?? 0;
    if (length === 0 || offset + 1 + length > bytes.length) return [asText(bytes)];
    items.push(asText(bytes.subarray(offset + 1, offset + 1 + length)));
    offset += 1 + length;
  }
  return items;
}

function asText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 1024)).replace(/[^\x20-\x7e]/g, "?");
}

/** Option 97 (RFC 4578 §2.3): the 16 UUID bytes after a type byte 0; any other form is ignored. */
export function readClientUuid(options: DhcpOptions): Uint8Array | undefined {
  const bytes = options.get(option.clientUuid);
  return bytes?.length === 17 && bytes[0] === 0 ? bytes.subarray(1) : undefined;
}

/**
 * The two texts a UUID may mean: as sent, and with the first three fields swapped, because boards
 * disagree on their byte order.
 */
export function uuidTexts(uuid: Uint8Array): readonly [string, string] {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return [uuidText(uuid), uuidText(Uint8Array.from(order, (index) => uuid[index] ?? 0))];
}

function uuidText(uuid: Uint8Array): string {
  const hex = [...uuid].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Sub-options of an encapsulated option; reading stops at END or at the first lie about a length. */
export function readSubOptions(bytes: Uint8Array | undefined): readonly SubOption[] {
  const found: SubOption[] = [];
  let offset = 0;
  while (bytes !== undefined && offset + 1 < bytes.length) {
    const code = bytes[offset] ?? 0;
    if (code === 255) break;
    if (code === 0) {
      offset += 1;
      continue;
    }
    const length = bytes[offset + 1] ?? 0;
    if (offset + 2 + length > bytes.length) break;
    found.push({ code, bytes: bytes.subarray(offset + 2, offset + 2 + length) });
    offset += 2 + length;
  }
  return found;
}

/** The bytes of an encapsulated option, without END: iPXE and EDK2 both take it so. */
export function subOptionBytes(items: readonly SubOption[]): Uint8Array {
  return Uint8Array.from(items.flatMap((item) => [item.code, item.bytes.length, ...item.bytes]));
}

export function textBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
}

export function secondsBytes(seconds: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, Math.min(0xffff_ffff, Math.max(0, Math.floor(seconds))));
  return bytes;
}

export function ipListBytes(ips: readonly string[]): Uint8Array {
  return Uint8Array.from(ips.flatMap((ip) => [...ipv4ToBytes(ip)]));
}
