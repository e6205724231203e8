// The lease table and the choice of addresses: conflict-free under any history.
import { type Random, seededRandom } from "@drover/shared/random";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asking, choosing, sampleSite, serverIp } from "./boot-fixture.ts";
import { ChainloadLog } from "./chainloads.ts";
import { dhcpReply } from "./dhcp-reply.ts";
import { LeaseTable } from "./leases.ts";

const reservedMac = "52:54:00:77:00:02";
const reserved = { mac: reservedMac, ip: "10.77.0.101" };

function offer(leases: LeaseTable, mac: string, now: number, site = sampleSite) {
  const view = { site: { ...site, discoverUntil: 1e12 }, leases, chainloads: new ChainloadLog() };
  const decision = dhcpReply(asking("discover", { mac, sender: "system" }), view, now);
  leases.apply(decision.changes);
  return decision.kind === "reply" ? decision.reply.yourIp : decision.event;
}

describe("addresses", () => {
  test("a reserved address goes to its owner and to nobody else", () => {
    const site = { ...sampleSite, reservations: [reserved] };
    const leases = new LeaseTable();
    const others = [1, 2, 3].map((n) => offer(leases, `52:54:00:00:00:0${n}`, 0, site));
    expect(new Set(others).size).toBe(3);
    expect(others).not.toContain(reserved.ip);
    expect(offer(leases, "52:54:00:00:00:04", 0, site)).toBe("pool-exhausted");
    expect(offer(leases, reservedMac, 0, site)).toBe(reserved.ip);
  });

  test("an expired address is reused, the one that expired first before others", () => {
    const until = [500, 300, 400, 600];
    const leases = new LeaseTable(
      until.map((end, n) => ({ ip: `10.77.0.10${n}`, key: `1:0${n}`, state: "bound", until: end })),
    );
    expect(offer(leases, "52:54:00:00:00:09", 700)).toBe("10.77.0.101");
  });

  test("our own address and a reservation that is in use are never handed out", () => {
    const site = {
      ...sampleSite,
      pool: { firstIp: "10.77.0.0", lastIp: "10.77.0.2" },
      reservations: [reserved],
    };
    const holder = { ip: reserved.ip, key: "1:ffffffffffff", state: "bound", until: 1e9 } as const;
    const leases = new LeaseTable([holder]);
    expect(offer(leases, reservedMac, 0, site)).toBe("10.77.0.2");
    expect(offer(leases, "52:54:00:00:00:05", 0, site)).toBe("pool-exhausted");
  });

  test("no history of boots, releases, declines and reboots gives one address to two clients", () => {
    fc.assert(fc.property(fc.nat(1e6), (seed) => liveThrough(seed)));
  });
});

interface Held {
  readonly ip: string;
  readonly until: number;
}

/** 120 random messages of 8 clients; checks every ACK against what the others still hold. */
function liveThrough(seed: number): void {
  const random = seededRandom(seed);
  const site = { ...sampleSite, discoverUntil: 1e12, reservations: [reserved] };
  const leases = new LeaseTable();
  const view = { site, leases, chainloads: new ChainloadLog() };
  const holders = new Map<string, Held>();
  for (let step = 0, now = 0; step < 120; step += 1) {
    now += random.integer(240_000);
    const mac = `52:54:00:77:00:0${1 + random.integer(8)}`;
    const decision = dhcpReply(randomMessage(random, leases, mac), view, now);
    leases.apply(decision.changes);
    if (decision.event === "released" || decision.event === "address-declined") holders.delete(mac);
    if (decision.event !== "acknowledged" || decision.kind !== "reply") continue;
    const ip = decision.reply.yourIp;
    expectNobodyElse(holders, mac, ip, now);
    holders.set(mac, { ip, until: leases.byIp(ip)?.until ?? 0 });
  }
}

function randomMessage(random: Random, leases: LeaseTable, mac: string) {
  const type = random.pick(["discover", "request", "request", "release", "decline"] as const);
  const own = leases.byKey(`1:${mac.replaceAll(":", "")}`)?.ip;
  const ip = own ?? `10.77.0.${100 + random.integer(4)}`;
  const options = choosing(ip, random.chance(0.8) ? serverIp : undefined);
  const fields = type === "release" ? { clientIp: ip } : {};
  return asking(type, { mac, sender: "system", options, fields });
}

function expectNobodyElse(holders: Map<string, Held>, mac: string, ip: string, now: number): void {
  const others = [...holders].filter(([other, held]) => other !== mac && held.until > now);
  expect(others.map(([, held]) => held.ip)).not.toContain(ip);
}
