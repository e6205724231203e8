// What makes a site unfit to be served: every problem in one sentence, so that a person can repair all of
// them at once. A site without problems never makes the boot decisions throw.
import { FleetError } from "@drover/shared/errors";
import { canonicalMac } from "./boot-script.ts";
import type { BootSite } from "./boot-site.ts";
import { safeFileName } from "./file-name.ts";
import { ipv4ToNumber, isInSubnet, parseIpv4 } from "./ipv4.ts";

/** A site that cannot be served. */
export class BootSiteError extends FleetError {
  readonly code = "bad-boot-site";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`boot services cannot serve this site: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** All problems, empty when the site can be served. */
export function bootSiteProblems(site: BootSite): readonly string[] {
  const addresses = addressProblems(site);
  // Arithmetic needs addresses that can be read.
  const network = addresses.length > 0 ? [] : networkProblems(site);
  return [...addresses, ...network, ...identityProblems(site), ...fileProblems(site)];
}

function addressProblems(site: BootSite): string[] {
  const named: readonly (readonly [string, string])[] = [
    ["server address", site.serverIp],
    ["network address", site.subnet.networkIp],
    ["first pool address", site.pool.firstIp],
    ["last pool address", site.pool.lastIp],
    ...site.routerIps.map((ip) => ["router", ip] as const),
    ...site.dnsIps.map((ip) => ["DNS server", ip] as const),
    ...site.reservations.map(
      (reservation) => [`reservation of ${reservation.mac}`, reservation.ip] as const,
    ),
  ];
  return named
    .filter(([, ip]) => parseIpv4(ip) === undefined)
    .map(([what, ip]) => `${what} ${JSON.stringify(ip)} is not an IPv4 address`);
}

function networkProblems(site: BootSite): string[] {
  const { subnet, pool } = site;
  const bits = subnet.prefixBits;
  // Firmware refuses /31 and /32, where no server and client fit beside the broadcast address.
  if (!Number.isInteger(bits) || bits < 8 || bits > 30) return [`prefix /${bits} is not /8 to /30`];
  const problems: string[] = [];
  if (ipv4ToNumber(subnet.networkIp) % 2 ** (32 - bits) !== 0)
    problems.push(`${subnet.networkIp}/${bits} has bits set beyond its prefix`);
  if (ipv4ToNumber(pool.firstIp) > ipv4ToNumber(pool.lastIp))
    problems.push("the pool ends before it begins");
  const inside = [
    site.serverIp,
    pool.firstIp,
    pool.lastIp,
    ...site.reservations.map(({ ip }) => ip),
  ];
  for (const ip of inside)
    if (!isInSubnet(ip, subnet)) problems.push(`${ip} is outside ${subnet.networkIp}/${bits}`);
  if (site.reservations.some(({ ip }) => ip === site.serverIp))
    problems.push(`the server's own address ${site.serverIp} is reserved`);
  return problems;
}

function identityProblems(site: BootSite): string[] {
  const nodeMacs = site.nodes.flatMap((node) => node.macs);
  const reservedMacs = site.reservations.map(({ mac }) => mac);
  const wrong = [...nodeMacs, ...reservedMacs].filter((mac) => canonicalMac(mac) !== mac);
  return [
    ...wrong.map((mac) => `${JSON.stringify(mac)} is not a lower-case Ethernet address`),
    ...repeated(nodeMacs).map((mac) => `${mac} belongs to two nodes`),
    ...repeated(reservedMacs).map((mac) => `${mac} has two reservations`),
    ...repeated(site.reservations.map(({ ip }) => ip)).map((ip) => `${ip} is reserved twice`),
  ];
}

function fileProblems(site: BootSite): string[] {
  const { loaders, installer } = site.files;
  const names = [...Object.values(loaders), installer.kernel, ...installer.initrds];
  const problems = names
    .filter((name) => safeFileName(name) !== name)
    .map((name) => `${JSON.stringify(name)} is no boot file name`);
  if (!Number.isInteger(site.httpPort) || site.httpPort < 1 || site.httpPort > 65_535)
    problems.push(`HTTP port ${site.httpPort} is not a port`);
  const { normalMs, bootMs } = site.leases;
  if (!(normalMs >= 60_000 && bootMs >= 60_000)) problems.push("a lease is shorter than a minute");
  return problems;
}

function repeated(items: readonly string[]): string[] {
  return [...new Set(items.filter((item, index) => items.indexOf(item) !== index))];
}
