// The TFTP server: each read runs on a port of its own (RFC 1350 §4), and at most `transfersMax` at
// once. A client that repeats its request does not get a second transfer.
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import { isSpeculative, safeFileName } from "../../core/boot/file-name.ts";
import { type TftpRequest, tftpErrorCode } from "../../core/boot/tftp-message.ts";
import { defaultTftpLimits, type TftpLimits } from "../../core/boot/tftp-transfer.ts";
import { PacketError } from "../../packets/packet-error.ts";
import { decodeTftp, encodeTftp } from "../../packets/tftp/codec.ts";
import type { BootFileSource, OnBootEvent } from "./ports.ts";
import { runTransfer } from "./tftp-session.ts";
import { openUdp, type Peer, type UdpSocket } from "./udp.ts";

export interface TftpServerOptions {
  readonly ip: string;
  /** 69, or 0 for any free port. */
  readonly port: number;
  readonly files: BootFileSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly onBootEvent: OnBootEvent;
  readonly transfersMax: number;
  readonly limits?: TftpLimits;
}

export interface TftpServer {
  readonly port: number;
  /** Stops listening and ends every transfer. */
  close(): Promise<void>;
}

interface Context {
  readonly options: TftpServerOptions;
  /** Transfers by the client's address and port. */
  readonly running: Map<string, Promise<void>>;
  readonly signal: AbortSignal;
  /** Answers from the listening port. */
  readonly refuse: (peer: Peer, errorCode: number, message: string) => Promise<void>;
}

/** Starts listening. Rejects when the port cannot be opened. */
export async function startTftpServer(options: TftpServerOptions): Promise<TftpServer> {
  const stop = new AbortController();
  const running = new Map<string, Promise<void>>();
  let listener: UdpSocket | undefined;
  const context: Context = {
    options,
    running,
    signal: stop.signal,
    refuse: async (peer, errorCode, message) => {
      await listener?.send(encodeTftp({ kind: "error", errorCode, message }), peer);
    },
  };
  listener = await openUdp({
    ip: options.ip,
    port: options.port,
    onError: (error) => options.log.error({ err: error }, "TFTP socket failed"),
    onPacket: (bytes, peer) => {
      onRequest(context, bytes, peer).catch((error: unknown) => {
        if (error instanceof PacketError)
          options.log.debug({ err: error }, "TFTP packet was refused");
        else options.log.error({ err: error, from: peer.ip }, "TFTP transfer failed");
      });
    },
  });
  return {
    port: listener.port,
    close: async () => {
      stop.abort();
      await listener.close();
      await Promise.allSettled(running.values());
    },
  };
}

async function onRequest(context: Context, bytes: Uint8Array, peer: Peer): Promise<void> {
  const { options, running, refuse } = context;
  const message = decodeTftp(bytes);
  const id = `${peer.ip}:${peer.port}`;
  if (running.has(id) || message.kind === "error") return;
  if (message.kind !== "rrq") {
    await refuse(peer, tftpErrorCode.illegalOperation, "only reading is offered");
    return;
  }
  if (message.mode !== "octet" && message.mode !== "netascii") {
    await refuse(peer, tftpErrorCode.illegalOperation, "unknown mode");
    return;
  }
  if (running.size >= options.transfersMax) {
    // Silence: the client asks again within seconds, an error would end its boot.
    tell(context, "busy", peer, message.fileName, [`${running.size} transfers are running`]);
    return;
  }
  const transfer = serve(context, message, peer).finally(() => running.delete(id));
  running.set(id, transfer);
  await transfer;
}

async function serve(context: Context, request: TftpRequest, peer: Peer): Promise<void> {
  const { ip, files, clock, log, limits = defaultTftpLimits } = context.options;
  const name = safeFileName(request.fileName);
  const file = name === undefined ? undefined : await files.open(name);
  if (name === undefined || file === undefined) {
    await context.refuse(peer, tftpErrorCode.notFound, "file not found");
    const because = isSpeculative(name ?? "")
      ? "loaders try this name on the off chance"
      : "there is no such file";
    tell(context, "not-found", peer, request.fileName, [because]);
    return;
  }
  try {
    const { signal } = context;
    const end = await runTransfer({ ip, peer, file, request, limits, clock, log, signal });
    tell(context, end.outcome, peer, name, end.because, file.sizeBytes);
  } finally {
    await file.close();
  }
}

function tell(
  context: Context,
  event: string,
  peer: Peer,
  file: string,
  because: readonly string[],
  bytes?: number,
): void {
  const { clock, onBootEvent } = context.options;
  const size = bytes === undefined ? {} : { bytes };
  onBootEvent({ at: clock.now(), service: "tftp", event, ip: peer.ip, file, ...size, because });
}
