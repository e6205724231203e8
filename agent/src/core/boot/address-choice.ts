// Which address a client may have. Reservation first, then the address it has, then one it asks for,
// then the pool; the server's own and other clients' reserved addresses are never among them.
import type { BootSite, Pool } from "./boot-site.ts";
import type { BootClient } from "./client.ts";
import { type DhcpMessage, option } from "./dhcp-message.ts";
import { readIp, readSubOptions } from "./dhcp-options.ts";
import { ipv4FromBytes, ipv4ToNumber, isInSubnet, subnetBroadcast, unspecifiedIp } from "./ipv4.ts";
import { freeAddress, isFreeFor, type LeaseView } from "./leases.ts";

/** Relay information sub-option 5: the subnet the client is on (RFC 3527). */
const linkSelection = 5;

/** The link a request comes from when it says so: 82.5, then 118, then giaddr. */
export function linkOf(request: DhcpMessage): string | undefined {
  const selected = readSubOptions(request.options.get(option.relayInfo)).find(
    (item) => item.code === linkSelection && item.bytes.length === 4,
  );
  if (selected !== undefined) return ipv4FromBytes(selected.bytes);
  const asked = readIp(request.options, option.subnetSelection);
  if (asked !== undefined) return asked;
  return request.relayIp === unspecifiedIp ? undefined : request.relayIp;
}

export interface ChosenAddress {
  readonly ip: string;
  readonly because: string;
}

/** The address to offer, or undefined when none is free. */
export function chooseAddress(
  client: BootClient,
  request: DhcpMessage,
  site: BootSite,
  leases: LeaseView,
  now: number,
): ChosenAddress | undefined {
  const usable = (ip: string | undefined): ip is string =>
    ip !== undefined && mayHold(client, ip, site, leases, now);
  const reserved = reservedIp(client, site);
  if (usable(reserved)) return { ip: reserved, because: `${reserved} is reserved for the client` };
  const clash = reserved === undefined ? "" : ` because its reservation ${reserved} is in use`;
  const held = leases.byKey(client.key)?.ip;
  if (usable(held)) return { ip: held, because: `${held} was the client's before${clash}` };
  const wanted = readIp(request.options, option.requestedIp);
  if (usable(wanted)) return { ip: wanted, because: `the client asked for ${wanted}${clash}` };
  const isTaken = (ip: string): boolean => !isPoolAddress(client, ip, site);
  const free = freeAddress(site.pool, client.key, isTaken, leases, now);
  return free === undefined
    ? undefined
    : { ip: free, because: `${free} is free in the pool${clash}` };
}

/** True when the client may use this very address now. */
export function mayHold(
  client: BootClient,
  ip: string,
  site: BootSite,
  leases: LeaseView,
  now: number,
): boolean {
  const isItsOwn = reservedIp(client, site) === ip || isPoolAddress(client, ip, site);
  return isItsOwn && isFreeFor(client.key, leases.byIp(ip), now);
}

function reservedIp(client: BootClient, site: BootSite): string | undefined {
  const found = site.reservations.find((reservation) => reservation.mac === client.mac)?.ip;
  return found !== undefined && isInSubnet(found, site.subnet) && found !== site.serverIp
    ? found
    : undefined;
}

function isPoolAddress(client: BootClient, ip: string, site: BootSite): boolean {
  if (!isWithin(site.pool, ip) || !isInSubnet(ip, site.subnet) || ip === site.serverIp)
    return false;
  if (ip === site.subnet.networkIp || ip === subnetBroadcast(site.subnet)) return false;
  return !site.reservations.some((other) => other.ip === ip && other.mac !== client.mac);
}

function isWithin(pool: Pool, ip: string): boolean {
  const value = ipv4ToNumber(ip);
  return value >= ipv4ToNumber(pool.firstIp) && value <= ipv4ToNumber(pool.lastIp);
}
