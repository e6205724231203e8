// The DHCP server on a simulated network: what is saved before what is sent, and when it refuses to
// start.
import { silentLog } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import { describe, expect, test } from "vitest";
import { asking, choosing, sampleSite, serverIp } from "../../core/boot/boot-fixture.ts";
import { buildReply } from "../../core/boot/dhcp-build.ts";
import type { DhcpMessage } from "../../core/boot/dhcp-message.ts";
import { messageTypeOf } from "../../core/boot/dhcp-options.ts";
import type { Lease, LeaseChange } from "../../core/boot/leases.ts";
import { decodeDhcp, encodeDhcp } from "../../packets/dhcp/codec.ts";
import { type DhcpServerOptions, ForeignDhcpError, startDhcpServer } from "./dhcp-server.ts";
import type { BootEvent, LeaseStore } from "./ports.ts";
import type { OpenUdp, Peer, UdpOptions } from "./udp.ts";

const foreignIp = "10.77.0.250";

/** A LAN in memory: sockets by port, everything sent, and an optional foreign server. */
function lan(foreign?: "dhcp" | "proxy") {
  const sockets: UdpOptions[] = [];
  const sent: { message: DhcpMessage; to: Peer }[] = [];
  const deliver = (port: number, bytes: Uint8Array): void => {
    for (const socket of sockets)
      if (socket.port === port && socket.ip === "0.0.0.0")
        socket.onPacket(bytes, { ip: "10.77.0.9", port: 68 });
  };
  const openUdp: OpenUdp = async (options) => {
    sockets.push(options);
    return {
      port: options.port,
      send: async (bytes, to) => {
        const message = decodeDhcp(bytes);
        sent.push({ message, to });
        if (options.port !== 68 || foreign === undefined) return;
        const site = { ...sampleSite, serverIp: foreignIp };
        const yourIp = foreign === "proxy" ? "0.0.0.0" : "10.77.0.77";
        const choice = { kind: "address-only", because: "" } as const;
        deliver(68, encodeDhcp(buildReply(message, site, { kind: "offer", yourIp, choice })));
      },
      close: async () => {
        sockets.splice(sockets.indexOf(options), 1);
      },
    };
  };
  return {
    openUdp,
    sent,
    sockets,
    ask: (message: DhcpMessage) => deliver(67, encodeDhcp(message)),
  };
}

function started(
  network: ReturnType<typeof lan>,
  changes: Partial<DhcpServerOptions> = {},
  stored: readonly Lease[] = [],
) {
  const saved: LeaseChange[] = [];
  const events: BootEvent[] = [];
  const leaseStore: LeaseStore = {
    load: async () => stored,
    save: async (lasting) => {
      saved.push(...lasting);
    },
  };
  const clock = { now: () => 1000, monotonicMs: () => 1000, wait: async () => undefined };
  const server = startDhcpServer({
    site: () => sampleSite,
    leaseStore,
    clock,
    random: seededRandom(1),
    log: silentLog,
    onBootEvent: (event) => events.push(event),
    whenForeign: "refuse",
    probeWaitMs: 0,
    openUdp: network.openUdp,
    ...changes,
  });
  return { server, saved, events };
}

describe("DHCP server", () => {
  test("a boot runs from DISCOVER to ACK, and the lease is saved and found by address", async () => {
    const network = lan();
    const { server, saved, events } = started(network);
    const { leaseOf } = await server;
    network.ask(asking("discover"));
    await expect.poll(() => network.sent.length).toBe(1);
    const ip = network.sent[0]?.message.yourIp ?? "";
    expect(saved).toEqual([]);
    network.ask(asking("request", { options: choosing(ip, serverIp) }));
    await expect.poll(() => network.sent.length).toBe(2);
    const types = network.sent.map(({ message }) => messageTypeOf(message));
    expect(types).toEqual(["offer", "ack"]);
    expect(network.sent[1]?.to).toEqual({ ip: "255.255.255.255", port: 68 });
    expect(saved).toMatchObject([{ kind: "put", lease: { ip, state: "bound" } }]);
    expect(leaseOf(ip)?.state).toBe("bound");
    expect(events.map((event) => event.event)).toEqual(["offered", "acknowledged"]);
    expect(events[1]).toMatchObject({ nodeId: "node-1", file: "undionly.kpxe" });
  });

  test("an ACK is not sent when the lease could not be saved", async () => {
    const network = lan();
    const failures: string[] = [];
    const broken = { load: async () => [], save: () => Promise.reject(new Error("disk is full")) };
    const log = { ...silentLog, error: (_fields: unknown, text: string) => failures.push(text) };
    await started(network, { leaseStore: broken, log }).server;
    network.ask(asking("request", { options: choosing("10.77.0.100", serverIp) }));
    await expect.poll(() => failures).toEqual(["DHCP request failed"]);
    expect(network.sent).toEqual([]);
  });

  test("leases of before a restart are honoured", async () => {
    const network = lan();
    const lease = { ip: "10.77.0.103", key: "1:525400770001", state: "bound", until: 1e9 } as const;
    await started(network, {}, [lease]).server;
    network.ask(asking("discover"));
    await expect.poll(() => network.sent[0]?.message.yourIp).toBe(lease.ip);
  });

  test("garbage is dropped and the next client is answered", async () => {
    const network = lan();
    await started(network).server;
    for (const socket of network.sockets)
      socket.onPacket(new Uint8Array(10), { ip: "10.77.0.66", port: 68 });
    network.ask(asking("discover"));
    await expect.poll(() => network.sent.length).toBe(1);
  });

  test("it refuses to start for a site it cannot serve", async () => {
    const site = () => ({ ...sampleSite, serverIp: "10.99.0.1" });
    await expect(started(lan(), { site }).server).rejects.toThrow(/10\.99\.0\.1 is outside/);
  });

  test("it refuses to start while another DHCP server answers, and leaves no socket behind", async () => {
    const network = lan("dhcp");
    const { server } = started(network, { probeWaitMs: 1 });
    await expect(server).rejects.toThrow(ForeignDhcpError);
    await expect(server).rejects.toThrow(/10\.77\.0\.250 already answers/);
    expect(network.sockets).toEqual([]);
  });

  test("it starts beside another server when told to, beside a proxy, and when it only listens", async () => {
    const anyway = await started(lan("dhcp"), { probeWaitMs: 1, whenForeign: "serve-anyway" })
      .server;
    expect(anyway.foreignServers).toEqual([
      { serverIp: foreignIp, kind: "dhcp", claimsPxe: false },
    ]);
    const proxy = await started(lan("proxy"), { probeWaitMs: 1 }).server;
    expect(proxy.foreignServers).toMatchObject([{ kind: "proxy" }]);
    const site = (): typeof sampleSite => ({ ...sampleSite, mode: "listen" });
    expect(
      (await started(lan("dhcp"), { probeWaitMs: 1, site }).server).foreignServers,
    ).toHaveLength(1);
  });
});
