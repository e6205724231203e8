// One TFTP transfer on its own socket. Packets, timer and stop are handled strictly one after the
// other, so the pure machine never sees two inputs at once.
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import { type TftpMessage, type TftpRequest, tftpErrorCode } from "../../core/boot/tftp-message.ts";
import {
  onTftpPacket,
  onTftpTimer,
  startTransfer,
  type TftpLimits,
  type TftpOutcome,
  type TftpSend,
  type TftpStep,
} from "../../core/boot/tftp-transfer.ts";
import { PacketError } from "../../packets/packet-error.ts";
import { decodeTftp, encodeTftp } from "../../packets/tftp/codec.ts";
import type { BootFile } from "./ports.ts";
import { ReadAhead } from "./read-ahead.ts";
import { openUdp, type Peer, type UdpSocket } from "./udp.ts";

export interface TransferOptions {
  readonly ip: string;
  readonly peer: Peer;
  readonly file: BootFile;
  readonly request: TftpRequest;
  readonly limits: TftpLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface TransferEnd {
  readonly outcome: TftpOutcome | "stopped";
  readonly because: readonly string[];
}

/** Packets waiting for the machine; a client that sends more than this is not listening anyway. */
const inboxMax = 64;

/** Runs one transfer to its end. Rejects when the file cannot be read or the socket fails. */
export async function runTransfer(options: TransferOptions): Promise<TransferEnd> {
  const inbox: TftpMessage[] = [];
  const ahead = new ReadAhead(options.file);
  let failure: Error | undefined;
  let wake = (): void => undefined;
  const socket = await openUdp({
    ip: options.ip,
    port: 0,
    onError: (error) => {
      failure = error;
      wake();
    },
    onPacket: (bytes, from) => {
      if (from.ip !== options.peer.ip || from.port !== options.peer.port) {
        refuseStranger(socket, from, options.log);
        return;
      }
      const message = readMessage(bytes, options.log);
      if (message === undefined || inbox.length >= inboxMax) return;
      inbox.push(message);
      wake();
    },
  });
  const sleepUntil = (at: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, at - options.clock.monotonicMs()));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (inbox.length > 0 || options.signal.aborted || failure !== undefined) wake();
    });
  const onAbort = (): void => wake();
  options.signal.addEventListener("abort", onAbort);
  try {
    const now = options.clock.monotonicMs();
    let step = startTransfer(options.request.options, options.file.sizeBytes, options.limits, now);
    for (;;) {
      for (const send of step.sends) await transmit(socket, options.peer, ahead, send);
      if (step.state.phase === "done")
        return { outcome: step.state.outcome, because: step.because };
      await sleepUntil(step.state.resendAt);
      if (failure !== undefined) throw failure;
      if (options.signal.aborted)
        return { outcome: "stopped", because: ["the server is stopping"] };
      step = takeInput(step, inbox.shift(), options.clock.monotonicMs());
    }
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    await socket.close();
  }
}

function takeInput(step: TftpStep, message: TftpMessage | undefined, now: number): TftpStep {
  return message === undefined
    ? onTftpTimer(step.state, now)
    : onTftpPacket(step.state, message, now);
}

async function transmit(
  socket: UdpSocket,
  peer: Peer,
  ahead: ReadAhead,
  send: TftpSend,
): Promise<void> {
  const message: TftpMessage =
    send.kind === "packet"
      ? send.message
      : { kind: "data", block: send.block, bytes: await ahead.read(send.offset, send.lengthBytes) };
  await socket.send(encodeTftp(message), peer);
}

function readMessage(bytes: Uint8Array, log: Log): TftpMessage | undefined {
  try {
    return decodeTftp(bytes);
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
    log.debug({ err: error }, "TFTP packet was refused");
    return undefined;
  }
}

/** Another port on a transfer's socket is somebody else; it must not disturb it (RFC 1350 §4). */
function refuseStranger(socket: UdpSocket, from: Peer, log: Log): void {
  const message = {
    kind: "error",
    errorCode: tftpErrorCode.unknownTransfer,
    message: "unknown",
  } as const;
  socket
    .send(encodeTftp(message), from)
    .catch((error: unknown) => log.debug({ err: error }, "TFTP refusal was not sent"));
}
