// One TFTP read as a pure machine: packet or timer in, packets out (RFC 1350, 2348, 2349, 7440).
// Data is sent again on the timer only, never on a duplicate ACK (the Sorcerer's Apprentice).
import { type TftpMessage, type TftpOptions, tftpErrorCode } from "./tftp-message.ts";

export interface TftpLimits {
  /** Largest DATA payload: path MTU less 32 bytes of headers. */
  readonly blockBytesMax: number;
  readonly windowBlocksMax: number;
  readonly retransmitMs: number;
  readonly retriesMax: number;
}

/** Ethernet without fragments; firmware retransmits after 4 s, so we are quicker. */
export const defaultTftpLimits: TftpLimits = {
  blockBytesMax: 1468,
  windowBlocksMax: 16,
  retransmitMs: 1000,
  retriesMax: 6,
};

interface TransferBase {
  readonly fileBytes: number;
  readonly blockBytes: number;
  readonly windowBlocks: number;
  readonly limits: TftpLimits;
}

/** Block counts are absolute; only the wire number wraps, from 65535 to 0. */
export type TftpTransfer =
  | (TransferBase & {
      /** The client has to acknowledge our options (block 0) first. */
      readonly phase: "options";
      readonly oack: TftpOptions;
      readonly retries: number;
      readonly resendAt: number;
    })
  | (TransferBase & {
      readonly phase: "sending";
      readonly ackedBlocks: number;
      readonly sentBlocks: number;
      readonly retries: number;
      readonly resendAt: number;
    })
  | (TransferBase & { readonly phase: "done"; readonly outcome: TftpOutcome });

export type TftpOutcome = "complete" | "aborted-by-client" | "timed-out";

/** What to send; DATA is named by place so that the shell reads it from the file. */
export type TftpSend =
  | { readonly kind: "packet"; readonly message: TftpMessage }
  | {
      readonly kind: "data";
      readonly block: number;
      readonly offset: number;
      readonly lengthBytes: number;
    };

export interface TftpStep {
  readonly state: TftpTransfer;
  readonly sends: readonly TftpSend[];
  readonly because: readonly string[];
}

/** Starts a read. Options the client did not ask for are never mentioned: some firmware breaks. */
export function startTransfer(
  options: TftpOptions,
  fileBytes: number,
  limits: TftpLimits,
  now: number,
): TftpStep {
  const agreed = negotiate(options, fileBytes, limits);
  const shape = {
    fileBytes,
    limits,
    blockBytes: agreed.blockBytes,
    windowBlocks: agreed.windowBlocks,
  };
  const resendAt = now + limits.retransmitMs;
  if (agreed.oack.length === 0)
    return sendWindow(
      { ...shape, phase: "sending", ackedBlocks: 0, sentBlocks: 0, retries: 0, resendAt },
      now,
      ["the client asked for no option"],
    );
  return {
    state: { ...shape, phase: "options", oack: agreed.oack, retries: 0, resendAt },
    sends: [{ kind: "packet", message: { kind: "oack", options: agreed.oack } }],
    because: [`options ${agreed.oack.map(([name, value]) => `${name}=${value}`).join(" ")}`],
  };
}

function negotiate(options: TftpOptions, fileBytes: number, limits: TftpLimits) {
  const oack: [string, string][] = [];
  let blockBytes = 512;
  let windowBlocks = 1;
  for (const [name, value] of options) {
    const asked = /^[0-9]{1,10}$/.test(value) ? Number(value) : undefined;
    if (asked === undefined || oack.some(([earlier]) => earlier === name)) continue;
    if (name === "blksize" && asked >= 8) {
      blockBytes = Math.min(asked, limits.blockBytesMax);
      oack.push([name, String(blockBytes)]);
    } else if (name === "windowsize" && asked >= 1) {
      windowBlocks = Math.min(asked, limits.windowBlocksMax);
      oack.push([name, String(windowBlocks)]);
    } else if (name === "tsize") oack.push([name, String(fileBytes)]);
  }
  return { oack, blockBytes, windowBlocks };
}

/** Takes one packet from the client of this transfer. */
export function onTftpPacket(state: TftpTransfer, message: TftpMessage, now: number): TftpStep {
  if (state.phase === "done") return unchanged(state, "the transfer is over");
  if (message.kind === "error")
    return finish(
      state,
      "aborted-by-client",
      message.errorCode === tftpErrorCode.optionsRefused
        ? "the client only asked for the options, as UEFI firmware does for the size"
        : `the client gave up: ${message.message || `error ${message.errorCode}`}`,
    );
  if (message.kind !== "ack") return unchanged(state, `${message.kind} does not belong here`);
  if (state.phase === "options") {
    if (message.block !== 0) return unchanged(state, "the options are not acknowledged yet");
    const sending = {
      ...state,
      phase: "sending",
      ackedBlocks: 0,
      sentBlocks: 0,
      retries: 0,
    } as const;
    return sendWindow(sending, now, ["the client acknowledged the options"]);
  }
  const ahead = (message.block - (state.ackedBlocks % 65_536) + 65_536) % 65_536;
  if (ahead === 0) return unchanged(state, "a duplicate ACK sends nothing");
  if (state.ackedBlocks + ahead > state.sentBlocks)
    return unchanged(state, "the ACK is for a block that was not sent");
  const ackedBlocks = state.ackedBlocks + ahead;
  if (ackedBlocks === lastBlock(state)) return finish(state, "complete", "the last block arrived");
  // An ACK inside the window means the rest was lost, so it goes again (RFC 7440 §4).
  return sendWindow({ ...state, ackedBlocks, sentBlocks: ackedBlocks, retries: 0 }, now, []);
}

/** Looks at the clock; to be called at or after `resendAt`. */
export function onTftpTimer(state: TftpTransfer, now: number): TftpStep {
  if (state.phase === "done" || now < state.resendAt) return unchanged(state, "nothing is due");
  if (state.retries >= state.limits.retriesMax)
    return finish(state, "timed-out", `no answer to ${state.retries + 1} sends`);
  const retries = state.retries + 1;
  const resendAt = now + state.limits.retransmitMs;
  if (state.phase === "options")
    return {
      state: { ...state, retries, resendAt },
      sends: [{ kind: "packet", message: { kind: "oack", options: state.oack } }],
      because: ["the options were not acknowledged in time"],
    };
  return sendWindow({ ...state, sentBlocks: state.ackedBlocks, retries }, now, [
    `block ${state.ackedBlocks + 1} was not acknowledged in time`,
  ]);
}

function sendWindow(
  state: Extract<TftpTransfer, { phase: "sending" }>,
  now: number,
  because: readonly string[],
): TftpStep {
  const until = Math.min(lastBlock(state), state.ackedBlocks + state.windowBlocks);
  const sends: TftpSend[] = [];
  for (let block = state.sentBlocks + 1; block <= until; block += 1) {
    const offset = (block - 1) * state.blockBytes;
    const lengthBytes = Math.min(state.blockBytes, state.fileBytes - offset);
    sends.push({ kind: "data", block: block % 65_536, offset, lengthBytes });
  }
  const resendAt = now + state.limits.retransmitMs;
  return { state: { ...state, sentBlocks: until, resendAt }, sends, because };
}

/** The block that ends the transfer: shorter than the others, empty when the size is a multiple. */
function lastBlock(state: TransferBase): number {
  return Math.floor(state.fileBytes / state.blockBytes) + 1;
}

function finish(state: TftpTransfer, outcome: TftpOutcome, because: string): TftpStep {
  const { fileBytes, blockBytes, windowBlocks, limits } = state;
  return {
    state: { phase: "done", outcome, fileBytes, blockBytes, windowBlocks, limits },
    sends: [],
    because: [because],
  };
}

function unchanged(state: TftpTransfer, because: string): TftpStep {
  return { state, sends: [], because: [because] };
}
