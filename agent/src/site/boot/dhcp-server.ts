// The DHCP server: packets in, the pure decision, packets out. A lease is saved before its ACK leaves,
// so a restart never gives an acknowledged address to somebody else.
import type { Clock } from "@drover/shared/clock";
import { FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import type { Random } from "@drover/shared/random";
import type { BootSite } from "../../core/boot/boot-site.ts";
import { BootSiteError, bootSiteProblems } from "../../core/boot/boot-site-check.ts";
import { ChainloadLog } from "../../core/boot/chainloads.ts";
import type { DhcpMessage } from "../../core/boot/dhcp-message.ts";
import { type DhcpDecision, dhcpReply } from "../../core/boot/dhcp-reply.ts";
import { type ForeignServer, probeFrom } from "../../core/boot/foreign-server.ts";
import { type Lease, type LeaseChange, LeaseTable } from "../../core/boot/leases.ts";
import { decodeDhcp, encodeDhcp, payloadBytesMax } from "../../packets/dhcp/codec.ts";
import { PacketError } from "../../packets/packet-error.ts";
import { findForeignServers } from "./foreign-dhcp.ts";
import type { LeaseStore, OnBootEvent } from "./ports.ts";
import { type OpenUdp, type Peer, openUdp as realOpenUdp, type UdpSocket } from "./udp.ts";

const serverPort = 67;
/** A storm beyond this is dropped: clients ask again, memory does not come back. */
const pendingMax = 256;

/** Another server leases addresses on this LAN. */
export class ForeignDhcpError extends FleetError {
  readonly code = "foreign-dhcp";
  readonly servers: readonly ForeignServer[];
  constructor(servers: readonly ForeignServer[]) {
    const names = servers.map((server) => server.serverIp).join(", ");
    super(`DHCP service was not started because ${names} already answers on this network`);
    this.servers = servers;
  }
}

export interface DhcpServerOptions {
  /** The site as it is now; asked for every packet. */
  readonly site: () => BootSite;
  readonly leaseStore: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onBootEvent: OnBootEvent;
  /** What to do when another DHCP server answers before ours starts. */
  readonly whenForeign: "refuse" | "serve-anyway";
  /** How long each of two probes waits for such an answer; 0 skips the probe. */
  readonly probeWaitMs: number;
  readonly openUdp?: OpenUdp;
}

export interface DhcpServer {
  /** Who holds an address now: ties TFTP and HTTP requests to a node. */
  leaseOf(ip: string): Lease | undefined;
  /** Other servers seen at start. */
  readonly foreignServers: readonly ForeignServer[];
  close(): Promise<void>;
}

/**
 * Starts listening. Rejects with {@link BootSiteError}, with {@link ForeignDhcpError}, or when port 67
 * cannot be opened.
 */
export async function startDhcpServer(options: DhcpServerOptions): Promise<DhcpServer> {
  const openUdp = options.openUdp ?? realOpenUdp;
  const problems = bootSiteProblems(options.site());
  if (problems.length > 0) throw new BootSiteError(problems);
  const foreignServers = await lookForForeign(options, openUdp);
  const leases = new LeaseTable(await options.leaseStore.load());
  const chainloads = new ChainloadLog();
  const sockets: UdpSocket[] = [];
  let pending = 0;
  let isClosed = false;

  const handle = async (bytes: Uint8Array): Promise<void> => {
    const request = decodeDhcp(bytes);
    const now = options.clock.now();
    const decision = dhcpReply(request, { site: options.site(), leases, chainloads }, now);
    leases.apply(decision.changes);
    if (decision.kind === "reply" && decision.isChainload)
      chainloads.record(decision.client.key, now);
    tellTimeline(options.onBootEvent, decision, now);
    const lasting = decision.changes.filter(isLasting);
    if (lasting.length > 0) await options.leaseStore.save(lasting);
    if (decision.kind === "reply" && !isClosed) await sendReply(sockets, request, decision);
  };
  const onPacket = (bytes: Uint8Array, from: Peer): void => {
    if (pending >= pendingMax) return;
    pending += 1;
    handle(bytes)
      .catch((error: unknown) => logFailure(options.log, error, from))
      .finally(() => {
        pending -= 1;
      });
  };
  const onError = (error: Error): void => options.log.error({ err: error }, "DHCP socket failed");
  const shape = { port: serverPort, broadcast: true, shared: true, onPacket, onError };
  try {
    // The last socket sends: its own address selects the interface for broadcasts.
    for (const ip of ["0.0.0.0", options.site().serverIp])
      sockets.push(await openUdp({ ...shape, ip }));
  } catch (error) {
    for (const socket of sockets) await socket.close();
    throw error;
  }
  return {
    leaseOf: (ip) => leases.byIp(ip),
    foreignServers,
    close: async () => {
      isClosed = true;
      for (const socket of sockets) await socket.close();
    },
  };
}

async function lookForForeign(options: DhcpServerOptions, openUdp: OpenUdp) {
  if (options.probeWaitMs === 0) return [];
  const { serverIp, mode } = options.site();
  const found = await findForeignServers({
    serverIp,
    probe: probeFrom(options.random),
    waitMs: options.probeWaitMs,
    clock: options.clock,
    openUdp,
  });
  for (const server of found)
    options.log.warn(
      { server: server.serverIp, kind: server.kind },
      "foreign DHCP server answered",
    );
  const leasing = found.filter((server) => server.kind === "dhcp");
  if (mode === "serve" && leasing.length > 0 && options.whenForeign === "refuse")
    throw new ForeignDhcpError(leasing);
  return found;
}

async function sendReply(
  sockets: readonly UdpSocket[],
  request: DhcpMessage,
  decision: Extract<DhcpDecision, { kind: "reply" }>,
): Promise<void> {
  const bytes = encodeDhcp(decision.reply, payloadBytesMax(request));
  await sockets.at(-1)?.send(bytes, decision.sendTo);
}

/** Offers are forgotten by a restart on purpose: the client just asks again. */
function isLasting(change: LeaseChange): boolean {
  return change.kind === "drop" || change.lease.state !== "offered";
}

function tellTimeline(onBootEvent: OnBootEvent, decision: DhcpDecision, at: number): void {
  const { client, nodeId } = decision;
  const ip = decision.kind === "reply" ? decision.reply.yourIp : undefined;
  const file = decision.kind === "reply" ? decision.reply.bootFile : "";
  onBootEvent({
    at,
    service: "dhcp",
    event: decision.event,
    ...(client.mac === undefined ? {} : { mac: client.mac }),
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(ip === undefined ? {} : { ip }),
    ...(file === "" ? {} : { file }),
    because: decision.because,
  });
}

function logFailure(log: Log, error: unknown, from: Peer): void {
  if (error instanceof PacketError)
    log.debug({ from: from.ip, err: error }, "DHCP packet was refused");
  else log.error({ from: from.ip, err: error }, "DHCP request failed");
}
