// UDP sockets as a small port, so that servers can be driven without a network. Incoming packets
// never throw into the socket.
import { createSocket } from "node:dgram";

export interface Peer {
  readonly ip: string;
  readonly port: number;
}

export interface UdpSocket {
  readonly port: number;
  send(bytes: Uint8Array, to: Peer): Promise<void>;
  close(): Promise<void>;
}

export interface UdpOptions {
  readonly ip: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly broadcast?: boolean;
  /** Lets one socket take broadcasts and another the unicasts of the same port. */
  readonly shared?: boolean;
  readonly onPacket: (bytes: Uint8Array, from: Peer) => void;
  readonly onError: (error: Error) => void;
}

export type OpenUdp = (options: UdpOptions) => Promise<UdpSocket>;

/** Opens an IPv4 UDP socket. Rejects when the address is in use or not ours. */
export const openUdp: OpenUdp = async (options) => {
  const socket = createSocket({ type: "udp4", reuseAddr: options.shared ?? false });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: options.ip, port: options.port, exclusive: true }, () => {
      socket.removeAllListeners("error");
      resolve();
    });
  });
  socket.on("error", options.onError);
  socket.on("message", (bytes, from) =>
    options.onPacket(bytes, { ip: from.address, port: from.port }),
  );
  if (options.broadcast === true) socket.setBroadcast(true);
  return {
    port: socket.address().port,
    send: (bytes, to) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, to.port, to.ip, (error) => (error === null ? resolve() : reject(error)));
      }),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
};
