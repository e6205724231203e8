// The little of ELF64 (little endian) that the build needs: which libraries a program loads, the
// module information of kernel objects, and where the loaded part of a program ends.
import { FleetError } from "@drover/shared/errors";

/** The file is not a well-formed ELF64 little-endian object. */
export class ElfError extends FleetError {
  readonly code = "elf-format";
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileBytes: number;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** True when the bytes start like an ELF64 little-endian file. */
export function isElf(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 64 &&
    bytes[0] === 0x7f &&
    bytes[1] === 0x45 &&
    bytes[2] === 0x4c &&
    bytes[3] === 0x46 &&
    bytes[4] === 2 &&
    bytes[5] === 1
  );
}

function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof RangeError)
      throw new ElfError(`${what} points outside the file`, { cause });
    throw cause;
  }
}

function segments(bytes: Uint8Array): Segment[] {
  if (!isElf(bytes)) throw new ElfError("file is not ELF64 little endian");
  return guarded("the program header table", () => {
    const view = viewOf(bytes);
    const start = Number(view.getBigUint64(32, true));
    const entryBytes = view.getUint16(54, true);
    const count = view.getUint16(56, true);
    return Array.from({ length: count }, (_, i) => {
      const at = start + i * entryBytes;
      return {
        type: view.getUint32(at, true),
        offset: Number(view.getBigUint64(at + 8, true)),
        address: Number(view.getBigUint64(at + 16, true)),
        fileBytes: Number(view.getBigUint64(at + 32, true)),
      };
    });
  });
}

function textAt(bytes: Uint8Array, offset: number): string {
  const end = bytes.indexOf(0, offset);
  if (offset < 0 || end < 0) throw new ElfError("a string runs past the end of the file");
  return new TextDecoder().decode(bytes.subarray(offset, end));
}

/** Names of the shared libraries a program or library asks for (DT_NEEDED), in file order. */
export function neededLibraries(bytes: Uint8Array): string[] {
  const all = segments(bytes);
  const dynamic = all.find((segment) => segment.type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const view = viewOf(bytes);
  const names: number[] = [];
  let table = 0;
  guarded("the dynamic section", () => {
    for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileBytes; at += 16) {
      const tag = Number(view.getBigUint64(at, true));
      const value = Number(view.getBigUint64(at + 8, true));
      if (tag === DT_NEEDED) names.push(value);
      if (tag === DT_STRTAB) table = value;
    }
  });
  const home = all.find(
    (segment) =>
      segment.type === PT_LOAD &&
      table >= segment.address &&
      table < segment.address + segment.fileBytes,
  );
  if (home === undefined) throw new ElfError("the dynamic string table is in no loaded segment");
  const base = home.offset + table - home.address;
  return names.map((name) => textAt(bytes, base + name));
}

/**
 * The program without what no loader reads (section table, symbols, debug information): everything
 * after the last segment is cut off. Half of a Node binary's size on the wire is such ballast.
 */
export function loadedPart(bytes: Uint8Array): Uint8Array {
  const end = Math.max(...segments(bytes).map((segment) => segment.offset + segment.fileBytes));
  if (!(end >= 64 && end <= bytes.length)) throw new ElfError("a segment ends past the file");
  const kept = bytes.slice(0, end);
  const view = viewOf(kept);
  view.setBigUint64(40, 0n, true);
  view.setUint16(60, 0, true);
  view.setUint16(62, 0, true);
  return kept;
}

/** The bytes of a named section, or undefined when the object has none of that name. */
export function sectionBytes(bytes: Uint8Array, name: string): Uint8Array | undefined {
  if (!isElf(bytes)) throw new ElfError("file is not ELF64 little endian");
  return guarded("the section header table", () => {
    const view = viewOf(bytes);
    const start = Number(view.getBigUint64(40, true));
    const entryBytes = view.getUint16(58, true);
    const count = view.getUint16(60, true);
    const at = (index: number): number => start + index * entryBytes;
    const offsetOf = (index: number): number => Number(view.getBigUint64(at(index) + 24, true));
    const names = offsetOf(view.getUint16(62, true));
    for (let index = 0; index < count; index += 1) {
      if (textAt(bytes, names + view.getUint32(at(index), true)) !== name) continue;
      const sizeBytes = Number(view.getBigUint64(at(index) + 32, true));
      const offset = offsetOf(index);
      if (offset + sizeBytes > bytes.length)
        throw new ElfError(`section ${name} ends past the file`);
      return bytes.subarray(offset, offset + sizeBytes);
    }
    return undefined;
  });
}
