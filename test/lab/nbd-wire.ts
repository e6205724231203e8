// The server side of the NBD protocol (fixed newstyle, simple replies) as bytes in, requests out. Only
// what QEMU needs: one export, read, write, flush, forced unit access, disconnect.

export type NbdRequest =
  | {
      readonly kind: "read";
      readonly handle: bigint;
      readonly offset: number;
      readonly lengthBytes: number;
    }
  | {
      readonly kind: "write";
      readonly handle: bigint;
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly isForced: boolean;
    }
  | { readonly kind: "flush"; readonly handle: bigint }
  | { readonly kind: "refused"; readonly handle: bigint; readonly errorNumber: number }
  | { readonly kind: "disconnect" };

const optionMagic = 0x49484156454f5054n;
const optionReplyMagic = 0x3e889045565a9n;
const requestMagic = 0x25609513;
const replyMagic = 0x67446698;
const invalidArgument = 22;
/** HAS_FLAGS, SEND_FLUSH, SEND_FUA. */
const exportFlags = 1 | 4 | 8;
const forcedUnitAccess = 1;
const requestBytesMax = 64 * 1024 * 1024;
const option = { abort: 2, info: 6, go: 7 } as const;
const reply = { ack: 1, info: 3, unsupported: 0x8000_0001 } as const;

/** What the server says first: fixed newstyle, no zero padding. */
export function greeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.write("NBDMAGIC", 0, "latin1");
  bytes.writeBigUInt64BE(optionMagic, 8);
  bytes.writeUInt16BE(3, 16);
  return bytes;
}

export function replyTo(handle: bigint, errorNumber = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(replyMagic, 0);
  bytes.writeUInt32BE(errorNumber, 4);
  bytes.writeBigUInt64BE(handle, 8);
  return bytes;
}

/** One connection: feeds on bytes, answers the negotiation itself, hands out complete requests. */
export class NbdConnection {
  #pending: Buffer = Buffer.alloc(0);
  #phase: "flags" | "options" | "requests" = "flags";
  readonly #sizeBytes: number;
  readonly #send: (bytes: Buffer) => void;

  constructor(sizeBytes: number, send: (bytes: Buffer) => void) {
    this.#sizeBytes = sizeBytes;
    this.#send = send;
  }

  /** The requests that `bytes` completed. Throws on anything that is not NBD. */
  take(bytes: Uint8Array): NbdRequest[] {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    const requests: NbdRequest[] = [];
    for (;;) {
      const request = this.#phase === "requests" ? this.#request() : this.#negotiate();
      if (request === "more") return requests;
      if (request !== "negotiated") requests.push(request);
    }
  }

  #negotiate(): "more" | "negotiated" | NbdRequest {
    if (this.#phase === "flags") {
      if (this.#pull(4) === undefined) return "more";
      this.#phase = "options";
      return "negotiated";
    }
    if (this.#pending.length < 16) return "more";
    if (this.#pending.readBigUInt64BE(0) !== optionMagic)
      throw new Error("NBD option magic is wrong");
    const code = this.#pending.readUInt32BE(8);
    if (this.#pull(16 + this.#pending.readUInt32BE(12)) === undefined) return "more";
    if (code === option.abort) {
      this.#optionReply(code, reply.ack);
      return { kind: "disconnect" };
    }
    if (code !== option.info && code !== option.go) {
      this.#optionReply(code, reply.unsupported);
      return "negotiated";
    }
    const info = Buffer.alloc(12);
    info.writeBigUInt64BE(BigInt(this.#sizeBytes), 2);
    info.writeUInt16BE(exportFlags, 10);
    this.#optionReply(code, reply.info, info);
    this.#optionReply(code, reply.ack);
    if (code === option.go) this.#phase = "requests";
    return "negotiated";
  }

  #request(): "more" | NbdRequest {
    if (this.#pending.length < 28) return "more";
    if (this.#pending.readUInt32BE(0) !== requestMagic)
      throw new Error("NBD request magic is wrong");
    const type = this.#pending.readUInt16BE(6);
    const lengthBytes = this.#pending.readUInt32BE(24);
    if (lengthBytes > requestBytesMax)
      throw new Error(`NBD request of ${lengthBytes} bytes is too long`);
    const message = this.#pull(28 + (type === 1 ? lengthBytes : 0));
    if (message === undefined) return "more";
    const handle = message.readBigUInt64BE(8);
    const offset = Number(message.readBigUInt64BE(16));
    if (type === 2) return { kind: "disconnect" };
    if (type === 3) return { kind: "flush", handle };
    if (type > 3 || offset + lengthBytes > this.#sizeBytes)
      return { kind: "refused", handle, errorNumber: invalidArgument };
    if (type === 0) return { kind: "read", handle, offset, lengthBytes };
    const isForced = (message.readUInt16BE(4) & forcedUnitAccess) !== 0;
    return { kind: "write", handle, offset, bytes: message.subarray(28), isForced };
  }

  #pull(lengthBytes: number): Buffer | undefined {
    if (this.#pending.length < lengthBytes) return undefined;
    const bytes = this.#pending.subarray(0, lengthBytes);
    this.#pending = this.#pending.subarray(lengthBytes);
    return bytes;
  }

  #optionReply(code: number, type: number, body: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(20);
    head.writeBigUInt64BE(optionReplyMagic, 0);
    head.writeUInt32BE(code, 8);
    head.writeUInt32BE(type, 12);
    head.writeUInt32BE(body.length, 16);
    this.#send(Buffer.concat([head, body]));
  }
}
