// Asks the LAN for other DHCP servers. Must run before our own server listens, and only ever reports
// servers that answered this very probe.

import type { Clock } from "@drover/shared/clock";
import {
  type ForeignServer,
  foreignServer,
  type Probe,
  probeMessage,
} from "../../core/boot/foreign-server.ts";
import { broadcastIp } from "../../core/boot/ipv4.ts";
import { decodeDhcp, encodeDhcp } from "../../packets/dhcp/codec.ts";
import { PacketError } from "../../packets/packet-error.ts";
import type { OpenUdp, UdpSocket } from "./udp.ts";

const clientPort = 68;
const serverPort = 67;
const probesSent = 2;

export interface ProbeOptions {
  readonly serverIp: string;
  readonly probe: Probe;
  /** Between the two probes and after the last; servers that check an address first need seconds. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly openUdp: OpenUdp;
  readonly signal?: AbortSignal;
}

/** The servers that answered, each once. */
export async function findForeignServers(options: ProbeOptions): Promise<readonly ForeignServer[]> {
  const found = new Map<string, ForeignServer>();
  let failure: Error | undefined;
  const listening = {
    port: clientPort,
    broadcast: true,
    shared: true,
    onError: (error: Error) => {
      failure = error;
    },
    onPacket: (bytes: Uint8Array) => {
      const server = readAnswer(bytes, options);
      if (server !== undefined) found.set(server.serverIp, server);
    },
  };
  const sockets: UdpSocket[] = [];
  try {
    // Broadcasts only reach a socket on the wildcard address; sending from our own address is what
    // makes the kernel pick the right interface.
    sockets.push(await options.openUdp({ ...listening, ip: "0.0.0.0" }));
    const sender = await options.openUdp({ ...listening, ip: options.serverIp });
    sockets.push(sender);
    const bytes = encodeDhcp(probeMessage(options.probe));
    for (let sent = 0; sent < probesSent; sent += 1) {
      await sender.send(bytes, { ip: broadcastIp, port: serverPort });
      await options.clock.wait(options.waitMs, options.signal);
    }
  } finally {
    for (const socket of sockets) await socket.close();
  }
  if (failure !== undefined) throw failure;
  return [...found.values()];
}

function readAnswer(bytes: Uint8Array, options: ProbeOptions): ForeignServer | undefined {
  try {
    return foreignServer(decodeDhcp(bytes), options.probe, options.serverIp);
  } catch (error) {
    // A stranger's broken packet says nothing about servers.
    if (error instanceof PacketError) return undefined;
    throw error;
  }
}
