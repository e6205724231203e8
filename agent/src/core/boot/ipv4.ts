// IPv4 addresses as dotted text, with the arithmetic a pool needs. Every address in the boot code is
// canonical text: four decimal octets without leading zeros.

export const unspecifiedIp = "0.0.0.0";
export const broadcastIp = "255.255.255.255";

const octet = /^(0|[1-9][0-9]{0,2})$/;

/** The address as an unsigned 32-bit number, or undefined when the text is not an IPv4 address. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!octet.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** Like {@link parseIpv4} for text that is known to be valid. Throws RangeError otherwise. */
export function ipv4ToNumber(text: string): number {
  const value = parseIpv4(text);
  if (value === undefined) throw new RangeError(`not an IPv4 address: ${text}`);
  return value;
}

export function ipv4FromNumber(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}

export function ipv4ToBytes(text: string): Uint8Array {
  const value = ipv4ToNumber(text);
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/** Reads four bytes at `offset`; the caller has checked that they exist. */
export function ipv4FromBytes(bytes: Uint8Array, offset = 0): string {
  return bytes.subarray(offset, offset + 4).join(".");
}

/** A network by its address and prefix length; /1 to /30 (firmware refuses /31 and /32). */
export interface Subnet {
  readonly networkIp: string;
  readonly prefixBits: number;
}

export function subnetMask(subnet: Subnet): string {
  return ipv4FromNumber((0xffff_ffff << (32 - subnet.prefixBits)) >>> 0);
}

export function isInSubnet(ip: string, subnet: Subnet): boolean {
  const shift = 32 - subnet.prefixBits;
  return ipv4ToNumber(ip) >>> shift === ipv4ToNumber(subnet.networkIp) >>> shift;
}

/** The directed broadcast address, which like the network address is never handed out. */
export function subnetBroadcast(subnet: Subnet): string {
  const network = ipv4ToNumber(subnet.networkIp);
  return ipv4FromNumber((network | (0xffff_ffff >>> subnet.prefixBits)) >>> 0);
}
