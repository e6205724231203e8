// Reads newc cpio archives strictly and within bounds: sizes are checked before anything is
// allocated, padding must be zero, and the trailer must be there.

import { latin1Text } from "./bytes.ts";
import { type CpioEntry, cpioHeaderBytes, cpioMagic, cpioTrailer, cpioTypes } from "./cpio.ts";
import { DiskFormatError } from "./disk-errors.ts";

const entriesMax = 200_000;
const nameBytesMax = 4096;

/** All entries in archive order. Throws {@link DiskFormatError} on any deviation from the format. */
export function readCpio(archive: Uint8Array): CpioEntry[] {
  const cursor = { at: 0 };
  const take = (lengthBytes: number): Uint8Array => {
    if (cursor.at + lengthBytes > archive.length)
      throw new DiskFormatError("the archive is cut short");
    const part = archive.subarray(cursor.at, cursor.at + lengthBytes);
    cursor.at += lengthBytes;
    return part;
  };
  const takePadding = (): void => {
    const padding = take((4 - (cursor.at % 4)) % 4);
    if (padding.some((byte) => byte !== 0)) throw new DiskFormatError("padding is not zero");
  };
  const entries: CpioEntry[] = [];
  while (entries.length <= entriesMax) {
    const fields = parseHeader(take(cpioHeaderBytes));
    const path = parseName(take(fields.nameBytes));
    takePadding();
    if (path === cpioTrailer) {
      if (archive.subarray(cursor.at).some((byte) => byte !== 0)) {
        throw new DiskFormatError("bytes follow the end of the archive");
      }
      return entries;
    }
    const body = take(fields.sizeBytes);
    takePadding();
    entries.push(entryOf(path, fields, body));
  }
  throw new DiskFormatError(`the archive has more than ${entriesMax} entries`);
}

interface Header {
  readonly mode: number;
  readonly sizeBytes: number;
  readonly major: number;
  readonly minor: number;
  readonly nameBytes: number;
}

function parseHeader(bytes: Uint8Array): Header {
  const text = latin1Text(bytes);
  if (!text.startsWith(cpioMagic)) throw new DiskFormatError("an entry has no newc magic");
  const digits = text.slice(cpioMagic.length);
  if (!/^[0-9a-fA-F]+$/.test(digits))
    throw new DiskFormatError("a header field is not hexadecimal");
  const field = (index: number): number =>
    Number.parseInt(digits.slice(index * 8, index * 8 + 8), 16);
  const nameBytes = field(11);
  if (nameBytes < 2 || nameBytes > nameBytesMax) {
    throw new DiskFormatError(`a name has ${nameBytes} bytes`);
  }
  return { mode: field(1), sizeBytes: field(6), major: field(9), minor: field(10), nameBytes };
}

function parseName(bytes: Uint8Array): string {
  if (bytes.indexOf(0) !== bytes.length - 1)
    throw new DiskFormatError("a name does not end in NUL");
  return decodeUtf8(bytes.subarray(0, -1));
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DiskFormatError("a name is not UTF-8", { cause });
  }
}

function entryOf(path: string, fields: Header, body: Uint8Array): CpioEntry {
  const mode = fields.mode & 0o7777;
  const type = fields.mode & 0o170000;
  if (type === cpioTypes.file) return { kind: "file", path, mode, bytes: body };
  if (type === cpioTypes.link) return { kind: "link", path, to: decodeUtf8(body) };
  if (fields.sizeBytes !== 0) throw new DiskFormatError(`${path} has content but is no file`);
  if (type === cpioTypes.directory) return { kind: "directory", path, mode };
  const numbers = { major: fields.major, minor: fields.minor };
  if (type === cpioTypes.character) return { kind: "character", path, mode, ...numbers };
  if (type === cpioTypes.block) return { kind: "block", path, mode, ...numbers };
  throw new DiskFormatError(`${path} is of an unknown kind`);
}
