// The TFTP server over loopback: whole files, refusals, one port per transfer, bounded transfers.
import { silentLog } from "@drover/shared/log";
import { afterEach, describe, expect, test } from "vitest";
import type { TftpMessage, TftpOptions } from "../../core/boot/tftp-message.ts";
import { defaultTftpLimits } from "../../core/boot/tftp-transfer.ts";
import { decodeTftp, encodeTftp } from "../../packets/tftp/codec.ts";
import type { BootEvent, BootFileSource } from "./ports.ts";
import { startTftpServer, type TftpServer } from "./tftp-server.ts";
import { openUdp, type Peer, type UdpSocket } from "./udp.ts";

const content = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
const files: BootFileSource = {
  open: async (name) =>
    name === "snponly.efi"
      ? {
          sizeBytes: content.length,
          readInto: async (buffer, offset) => {
            const bytes = content.subarray(offset, offset + buffer.length);
            buffer.set(bytes);
            return bytes.length;
          },
          close: async () => undefined,
        }
      : undefined,
};
const clock = { now: () => 0, monotonicMs: () => performance.now(), wait: async () => undefined };
const open: (TftpServer | UdpSocket)[] = [];

afterEach(async () => {
  for (const item of open.splice(0)) await item.close();
});

async function serving(transfersMax = 4) {
  const events: BootEvent[] = [];
  const server = await startTftpServer({
    ip: "127.0.0.1",
    port: 0,
    files,
    clock,
    log: silentLog,
    onBootEvent: (event) => events.push(event),
    transfersMax,
    limits: { ...defaultTftpLimits, retransmitMs: 50 },
  });
  open.push(server);
  return { server, events };
}

/** A client socket; `next` gives the packets in the order they came. */
async function client() {
  const arrived: { message: TftpMessage; from: Peer }[] = [];
  const socket = await openUdp({
    ip: "127.0.0.1",
    port: 0,
    onError: () => undefined,
    onPacket: (bytes, from) => arrived.push({ message: decodeTftp(bytes), from }),
  });
  open.push(socket);
  const next = async () => {
    await expect.poll(() => arrived.length, { interval: 1 }).toBeGreaterThan(0);
    const item = arrived.shift();
    if (item === undefined) throw new Error("no packet");
    return item;
  };
  return { socket, next, arrived };
}

function read(fileName: string, options: TftpOptions = []): Uint8Array {
  return encodeTftp({ kind: "rrq", fileName, mode: "octet", options });
}

async function fetchAll(port: number, fileName: string, options: TftpOptions) {
  const { socket, next } = await client();
  await socket.send(read(fileName, options), { ip: "127.0.0.1", port });
  const got: number[] = [];
  let transferPort = 0;
  for (;;) {
    const { message, from } = await next();
    transferPort = from.port;
    if (message.kind === "oack") await socket.send(encodeTftp({ kind: "ack", block: 0 }), from);
    if (message.kind !== "data") continue;
    got.push(...message.bytes);
    await socket.send(encodeTftp({ kind: "ack", block: message.block }), from);
    if (message.bytes.length < (options.length === 0 ? 512 : 1024)) return { got, transferPort };
  }
}

describe("TFTP server", () => {
  test("a file arrives whole, from a port of its own, whatever slash its name begins with", async () => {
    const { server, events } = await serving();
    const plain = await fetchAll(server.port, "snponly.efi", []);
    expect(plain.got).toEqual([...content]);
    expect(plain.transferPort).not.toBe(server.port);
    const options: TftpOptions = [
      ["blksize", "1024"],
      ["tsize", "0"],
    ];
    expect((await fetchAll(server.port, "\\snponly.efi", options)).got).toEqual([...content]);
    await expect.poll(() => events.map((event) => event.event)).toEqual(["complete", "complete"]);
  });

  test("absent files and names that lead outside are not found; writing is refused", async () => {
    const { server } = await serving();
    const { socket, next } = await client();
    const to = { ip: "127.0.0.1", port: server.port };
    for (const name of ["absent.efi", "../../etc/passwd"]) {
      await socket.send(read(name), to);
      expect((await next()).message).toMatchObject({ kind: "error", errorCode: 1 });
    }
    await socket.send(encodeTftp({ kind: "wrq", fileName: "x", mode: "octet", options: [] }), to);
    expect((await next()).message).toMatchObject({ kind: "error", errorCode: 4 });
  });

  test("a client that only asks for the size ends its transfer with ERROR 8", async () => {
    const { server, events } = await serving();
    const { socket, next } = await client();
    await socket.send(read("snponly.efi", [["tsize", "0"]]), {
      ip: "127.0.0.1",
      port: server.port,
    });
    const { message, from } = await next();
    expect(message).toEqual({ kind: "oack", options: [["tsize", "5000"]] });
    await socket.send(encodeTftp({ kind: "error", errorCode: 8, message: "" }), from);
    await expect.poll(() => events.map((event) => event.event)).toEqual(["aborted-by-client"]);
  });

  test("a lost block is sent again after the timer", async () => {
    const { server } = await serving();
    const { socket, next } = await client();
    await socket.send(read("snponly.efi"), { ip: "127.0.0.1", port: server.port });
    const first = await next();
    expect(await next()).toEqual(first);
  });

  test("beyond the limit a request is left unanswered, and a stranger cannot disturb a transfer", async () => {
    const { server, events } = await serving(1);
    const [one, two] = [await client(), await client()];
    await one.socket.send(read("snponly.efi"), { ip: "127.0.0.1", port: server.port });
    const { from } = await one.next();
    await two.socket.send(read("snponly.efi"), { ip: "127.0.0.1", port: server.port });
    await expect.poll(() => events.map((event) => event.event)).toEqual(["busy"]);
    await two.socket.send(encodeTftp({ kind: "ack", block: 1 }), from);
    expect((await two.next()).message).toMatchObject({ kind: "error", errorCode: 5 });
    await one.socket.send(encodeTftp({ kind: "ack", block: 1 }), from);
    await expect
      .poll(() => one.arrived.some(({ message }) => message.kind === "data" && message.block === 2))
      .toBe(true);
  });
});
