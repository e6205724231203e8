// Serve mode: which message gets which answer, at which address, and what it does to the leases.
import { describe, expect, test } from "vitest";
import { asking, choosing, nodeMac, sampleSite, serverIp } from "./boot-fixture.ts";
import type { BootSite } from "./boot-site.ts";
import { ChainloadLog } from "./chainloads.ts";
import { broadcastFlag, type DhcpMessage, option } from "./dhcp-message.ts";
import { messageTypeOf, readIp } from "./dhcp-options.ts";
import { type DhcpDecision, dhcpReply, quarantineMs, releaseRestMs } from "./dhcp-reply.ts";
import { LeaseTable } from "./leases.ts";

const stranger = "52:54:00:77:00:99";
const until30m = 30 * 60_000;

/** A site with its tables; `at` applies a decision as the shell does. */
function world(changes: Partial<BootSite> = {}) {
  const leases = new LeaseTable();
  const chainloads = new ChainloadLog();
  const site = { ...sampleSite, ...changes };
  const at = (now: number, request: DhcpMessage): DhcpDecision => {
    const decision = dhcpReply(request, { site, leases, chainloads }, now);
    leases.apply(decision.changes);
    if (decision.kind === "reply" && decision.isChainload)
      chainloads.record(decision.client.key, now);
    return decision;
  };
  return { at, leases, site };
}

function replied(decision: DhcpDecision) {
  if (decision.kind !== "reply") throw new Error(`silence: ${decision.because.join("; ")}`);
  return { ...decision, type: messageTypeOf(decision.reply) };
}

function bound(site = world(), mac = nodeMac) {
  const ip = replied(site.at(0, asking("discover", { mac, sender: "system" }))).reply.yourIp;
  replied(
    site.at(1, asking("request", { mac, sender: "system", options: choosing(ip, serverIp) })),
  );
  return { ...site, ip };
}

describe("who is answered", () => {
  test("a known node is offered an address, a stranger hears nothing", () => {
    const { at } = world();
    expect(replied(at(0, asking("discover"))).type).toBe("offer");
    expect(at(0, asking("discover", { mac: stranger })).kind).toBe("silence");
  });

  test("a stranger is answered only while the discover window is open", () => {
    const { at } = world({ discoverUntil: until30m });
    expect(replied(at(until30m - 1, asking("discover", { mac: stranger }))).because[0]).toMatch(
      /discover window/,
    );
    expect(at(until30m, asking("discover", { mac: stranger })).kind).toBe("silence");
  });

  test("listen mode answers nobody and says so", () => {
    const decision = world({ mode: "listen" }).at(0, asking("discover"));
    expect(decision).toMatchObject({ kind: "silence", because: ["the site only listens"] });
  });

  test("replies, BOOTP and messages only servers send are ignored", () => {
    const { at } = world();
    expect(at(0, asking("discover", { fields: { op: "reply" } })).kind).toBe("silence");
    expect(at(0, asking("offer")).kind).toBe("silence");
    expect(at(0, { ...asking("discover"), options: new Map() }).kind).toBe("silence");
  });
});

describe("OFFER and ACK", () => {
  test("T1 and T2 are 0.5 and 0.875 of a short lease while the node boots", () => {
    const { reply } = replied(world().at(0, asking("discover")));
    const seconds = [option.leaseTime, option.renewalTime, option.rebindingTime].map((code) =>
      new DataView((reply.options.get(code) ?? new Uint8Array(4)).buffer).getUint32(0),
    );
    expect(seconds).toEqual([600, 300, 525]);
  });

  test("an installed system gets the long lease", () => {
    const site = {
      nodes: [{ nodeId: "n", macs: [nodeMac], intent: "local", localBoot: "silence" }],
    } as const;
    const { reply } = replied(world(site).at(0, asking("discover", { sender: "system" })));
    expect(reply.options.get(option.leaseTime)).toEqual(Uint8Array.of(0, 0, 0xa8, 0xc0));
  });

  test("the client id and the system UUID are echoed", () => {
    const clientId = Uint8Array.of(1, 2, 3);
    const { reply } = replied(
      world().at(0, asking("discover", { options: [[option.clientId, clientId]] })),
    );
    expect(reply.options.get(option.clientId)).toEqual(clientId);
    expect(reply.options.get(option.clientUuid)?.length).toBe(17);
  });

  test("a site without router and DNS sends neither option", () => {
    const { reply } = replied(world().at(0, asking("discover")));
    expect(reply.options.has(option.router) || reply.options.has(option.dns)).toBe(false);
  });

  test("the same client keeps its address, whatever client id it uses", () => {
    const site = bound();
    const again = site.at(
      5,
      asking("discover", { options: [[option.clientId, Uint8Array.of(9)]] }),
    );
    expect(replied(again).reply.yourIp).toBe(site.ip);
    expect(site.leases.all()).toHaveLength(1);
  });

  test("a GUID as hardware address never shares a lease with an Ethernet address", () => {
    const guid = { hardware: new Uint8Array(16).fill(7), htype: 255 };
    const decision = world({ discoverUntil: until30m }).at(0, asking("discover", { fields: guid }));
    expect(decision.client).toMatchObject({ key: `255:${"07".repeat(16)}` });
    expect(decision.client.mac).toBeUndefined();
  });
});

describe("REQUEST", () => {
  test("a client that chose another server loses its offer and hears nothing", () => {
    const { at, leases } = world();
    const ip = replied(at(0, asking("discover"))).reply.yourIp;
    const decision = at(1, asking("request", { options: choosing(ip, "10.77.0.250") }));
    expect(decision).toMatchObject({ kind: "silence", event: "foreign-server-chosen" });
    expect(leases.byIp(ip)).toBeUndefined();
  });

  test("INIT-REBOOT: known is acknowledged, wrong network refused, no record is silence", () => {
    const site = bound();
    const reboot = (ip: string, mac = nodeMac) =>
      asking("request", { mac, sender: "system", options: choosing(ip, undefined) });
    expect(replied(site.at(9, reboot(site.ip))).type).toBe("ack");
    expect(replied(site.at(9, reboot("192.168.1.5"))).type).toBe("nak");
    expect(world().at(9, reboot("10.77.0.100")).kind).toBe("silence");
  });

  test("RENEW extends and is answered to the client's own address", () => {
    const site = bound();
    const renewing = asking("request", { sender: "system", fields: { clientIp: site.ip } });
    const decision = replied(site.at(60_000, renewing));
    expect([decision.type, decision.sendTo]).toEqual(["ack", { ip: site.ip, port: 68 }]);
    expect(site.leases.byIp(site.ip)?.until).toBe(60_000 + sampleSite.leases.bootMs);
  });

  test("an address that somebody else holds is refused by broadcast", () => {
    const site = bound(world({ discoverUntil: until30m }));
    const taking = asking("request", { mac: stranger, options: choosing(site.ip, serverIp) });
    const decision = replied(site.at(5, taking));
    expect([decision.type, decision.sendTo.ip]).toEqual(["nak", "255.255.255.255"]);
    expect(readIp(decision.reply.options, option.leaseTime)).toBeUndefined();
  });
});

describe("DECLINE, RELEASE, INFORM", () => {
  test("a declined address is quarantined and the client is given another", () => {
    const site = bound();
    const declined = site.at(5, asking("decline", { options: choosing(site.ip, serverIp) }));
    expect(declined).toMatchObject({ kind: "silence", event: "address-declined" });
    expect(site.leases.byIp(site.ip)?.until).toBe(5 + quarantineMs);
    expect(replied(site.at(6, asking("discover"))).reply.yourIp).not.toBe(site.ip);
  });

  test("nobody can decline an address it was not given", () => {
    const site = bound(world({ discoverUntil: until30m }));
    site.at(5, asking("decline", { mac: stranger, options: choosing(site.ip, serverIp) }));
    expect(site.leases.byIp(site.ip)?.state).toBe("bound");
  });

  test("a released address rests, but its client gets it back at once", () => {
    const site = bound();
    site.at(5, asking("release", { fields: { clientIp: site.ip } }));
    expect(site.leases.byIp(site.ip)).toMatchObject({
      state: "released",
      until: 5 + releaseRestMs,
    });
    expect(replied(site.at(6, asking("discover"))).reply.yourIp).toBe(site.ip);
  });

  test("INFORM is answered to the client's address without an address or lease times", () => {
    const informing = asking("inform", { sender: "system", fields: { clientIp: "10.77.0.9" } });
    const { reply, sendTo } = replied(world().at(0, informing));
    expect([reply.yourIp, sendTo.ip]).toEqual(["0.0.0.0", "10.77.0.9"]);
    for (const code of [option.leaseTime, option.renewalTime, option.rebindingTime])
      expect(reply.options.has(code)).toBe(false);
  });
});

describe("relays", () => {
  const relayed = { relayIp: "10.77.0.254", flags: broadcastFlag };
  const relayInfo: [number, Uint8Array] = [
    option.relayInfo,
    Uint8Array.of(1, 2, 8, 8, 11, 4, 10, 77, 0, 253),
  ];

  test("the reply goes to the relay even when a broadcast is asked for, flags unchanged", () => {
    const { reply, sendTo } = replied(world().at(0, asking("discover", { fields: relayed })));
    expect([sendTo, reply.flags, reply.relayIp]).toEqual([
      { ip: "10.77.0.254", port: 67 },
      broadcastFlag,
      "10.77.0.254",
    ]);
  });

  test("relay information is echoed verbatim and its server id override is used", () => {
    const decision = world().at(0, asking("discover", { fields: relayed, options: [relayInfo] }));
    const { options } = replied(decision).reply;
    expect(options.get(option.relayInfo)).toEqual(relayInfo[1]);
    expect(readIp(options, option.serverId)).toBe("10.77.0.253");
  });

  test("the link is 82.5 before 118 before giaddr, and a link of another site is not answered", () => {
    const away = { relayIp: "10.99.0.254" };
    const selected: [number, Uint8Array] = [option.relayInfo, Uint8Array.of(5, 4, 10, 77, 0, 0)];
    const asked: [number, Uint8Array] = [option.subnetSelection, Uint8Array.of(10, 99, 0, 0)];
    const { at } = world();
    expect(at(0, asking("discover", { fields: away })).kind).toBe("silence");
    expect(at(0, asking("discover", { fields: away, options: [selected, asked] })).kind).toBe(
      "reply",
    );
    expect(at(0, asking("discover", { fields: relayed, options: [asked] })).kind).toBe("silence");
  });

  test("a refusal through a relay asks the relay to broadcast", () => {
    const fields = { relayIp: "10.77.0.254" };
    const wrong = asking("request", { fields, options: choosing("192.168.9.9", serverIp) });
    const { reply, sendTo } = replied(world().at(0, wrong));
    expect([sendTo.ip, reply.flags & broadcastFlag]).toEqual(["10.77.0.254", broadcastFlag]);
  });
});
