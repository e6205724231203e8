// TFTP bytes ↔ message (RFC 1350, 2347). Any bytes give a message or a PacketError; names and
// options are bounded before they are read.
import type { TftpMessage, TftpOptions } from "../../core/boot/tftp-message.ts";
import { PacketError } from "../packet-error.ts";

const requestBytesMax = 512;
const optionsMax = 16;

/** Parses one UDP payload. Throws {@link PacketError}. */
export function decodeTftp(bytes: Uint8Array): TftpMessage {
  if (bytes.length < 4) throw new PacketError("TFTP packet is shorter than four bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = view.getUint16(0);
  switch (opcode) {
    case 1:
    case 2:
      return decodeRequest(bytes.subarray(2), opcode === 1 ? "rrq" : "wrq");
    case 3:
      return { kind: "data", block: view.getUint16(2), bytes: bytes.slice(4) };
    case 4:
      if (bytes.length !== 4) throw new PacketError("TFTP ACK is longer than four bytes");
      return { kind: "ack", block: view.getUint16(2) };
    case 5:
      return { kind: "error", errorCode: view.getUint16(2), message: errorText(bytes.subarray(4)) };
    case 6:
      return { kind: "oack", options: pairs(textItems(bytes.subarray(2))) };
    default:
      throw new PacketError(`TFTP opcode ${opcode} is unknown`);
  }
}

function decodeRequest(body: Uint8Array, kind: "rrq" | "wrq"): TftpMessage {
  const [fileName, mode, ...rest] = textItems(body);
  if (fileName === undefined || fileName === "" || mode === undefined)
    throw new PacketError("TFTP request names no file or no mode");
  return { kind, fileName, mode: mode.toLowerCase(), options: pairs(rest) };
}

function textItems(body: Uint8Array): string[] {
  if (body.length > requestBytesMax) throw new PacketError("TFTP request is longer than 512 bytes");
  if (body.at(-1) !== 0) throw new PacketError("TFTP text is not terminated");
  const text = String.fromCharCode(...body.subarray(0, -1));
  return text.split("\0");
}

function pairs(items: readonly string[]): TftpOptions {
  if (items.length % 2 !== 0) throw new PacketError("TFTP option has no value");
  if (items.length > 2 * optionsMax) throw new PacketError("TFTP request has too many options");
  const options: [string, string][] = [];
  for (let index = 0; index < items.length; index += 2)
    options.push([(items[index] ?? "").toLowerCase(), items[index + 1] ?? ""]);
  return options;
}

/** Some clients forget the terminator of an error text, which costs nothing to accept. */
function errorText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, Math.min(end < 0 ? bytes.length : end, requestBytesMax));
  return String.fromCharCode(...text).replace(/[^\x20-\x7e]/g, "?");
}

/** The UDP payload of a message. Throws {@link PacketError} when a field is out of range. */
export function encodeTftp(message: TftpMessage): Uint8Array {
  switch (message.kind) {
    case "rrq":
    case "wrq":
      return joined(message.kind === "rrq" ? 1 : 2, [
        message.fileName,
        message.mode,
        ...message.options.flat(),
      ]);
    case "oack":
      return joined(6, message.options.flat());
    case "data":
      return withBlock(3, message.block, message.bytes);
    case "ack":
      return withBlock(4, message.block, new Uint8Array());
    case "error":
      return withBlock(5, message.errorCode, terminated([message.message]));
  }
}

function joined(opcode: number, items: readonly string[]): Uint8Array {
  const body = terminated(items);
  if (body.length > requestBytesMax) throw new PacketError("TFTP text is longer than 512 bytes");
  const bytes = new Uint8Array(2 + body.length);
  bytes[1] = opcode;
  bytes.set(body, 2);
  return bytes;
}

function withBlock(opcode: number, value: number, body: Uint8Array): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff)
    throw new PacketError(`TFTP number ${value} does not fit 16 bits`);
  const bytes = new Uint8Array(4 + body.length);
  new DataView(bytes.buffer).setUint16(0, opcode);
  new DataView(bytes.buffer).setUint16(2, value);
  bytes.set(body, 4);
  return bytes;
}

function terminated(items: readonly string[]): Uint8Array {
  const text = items.map((item) => `${item}\0`).join("");
  return Uint8Array.from(text, (character, index) => {
    const value = character.charCodeAt(0);
    if (value > 255) throw new PacketError(`TFTP text holds a character it cannot at ${index}`);
    return value;
  });
}
