// Writes a cpio archive in the "newc" format the kernel unpacks as initramfs (Linux
// Documentation/driver-api/early-userspace/buffer-format.rst). Entries are sorted and carry no time,
// owner or inode of the building computer: the same entries give the same bytes.

import { joinBytes, latin1Bytes, roundUp } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";

/** One entry; `path` has no leading slash, `mode` holds permission bits only (e.g. 0o755). */
export type CpioEntry =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly mode: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly to: string }
  | {
      readonly kind: "character" | "block";
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

export const cpioMagic = "070701";
export const cpioTrailer = "TRAILER!!!";
export const cpioHeaderBytes = 110;
export const cpioTypes = {
  file: 0o100000,
  directory: 0o040000,
  link: 0o120000,
  character: 0o020000,
  block: 0o060000,
} as const;

/**
 * The archive, padded to 512 bytes. Parents must be listed; they are sorted before their children.
 * Throws {@link DiskInputError} on illegal or duplicate paths and on missing parents.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const sorted = entries.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const directories = new Set<string>();
  const parts: Uint8Array[] = [];
  let previous = "";
  sorted.forEach((entry, index) => {
    checkPath(entry.path);
    if (entry.path === previous) throw new DiskInputError(`${entry.path} is listed twice`);
    previous = entry.path;
    const slash = entry.path.lastIndexOf("/");
    if (slash > 0 && !directories.has(entry.path.slice(0, slash))) {
      throw new DiskInputError(`${entry.path} lies in a directory that is not listed`);
    }
    if (entry.kind === "directory") directories.add(entry.path);
    parts.push(...encodeEntry(entry, index + 1));
  });
  parts.push(
    header(cpioTrailer, { inode: 0, mode: 0, links: 1, sizeBytes: 0, major: 0, minor: 0 }),
  );
  const archive = joinBytes(parts);
  const padded = new Uint8Array(roundUp(archive.length, 512));
  padded.set(archive);
  return padded;
}

/** Directories for every parent of `paths`, mode 0755, for callers that do not care. */
export function parentDirectories(paths: readonly string[]): CpioEntry[] {
  const found = new Set<string>();
  for (const path of paths) {
    const names = path.split("/");
    for (let n = 1; n < names.length; n += 1) found.add(names.slice(0, n).join("/"));
  }
  return [...found].map((path) => ({ kind: "directory", path, mode: 0o755 }));
}

function checkPath(path: string): void {
  const names = path.split("/");
  const bad = names.some((name) => name === "" || name === "." || name === "..");
  if (bad || path.includes("\0") || path === cpioTrailer || path.length > 4000) {
    throw new DiskInputError(`${JSON.stringify(path)} is no legal cpio path`);
  }
}

function encodeEntry(entry: CpioEntry, inode: number): Uint8Array[] {
  const body = bodyOf(entry);
  const permissions = entry.kind === "link" ? 0o777 : entry.mode;
  if (permissions < 0 || permissions > 0o7777) {
    throw new DiskInputError(`${entry.path} has mode ${permissions}`);
  }
  const special = entry.kind === "character" || entry.kind === "block";
  const fields = {
    inode,
    mode: cpioTypes[entry.kind] | permissions,
    links: entry.kind === "directory" ? 2 : 1,
    sizeBytes: body.length,
    major: special ? entry.major : 0,
    minor: special ? entry.minor : 0,
  };
  const slack = roundUp(body.length, 4) - body.length;
  return [header(entry.path, fields), body, new Uint8Array(slack)];
}

function bodyOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === "file") return entry.bytes;
  return entry.kind === "link" ? new TextEncoder().encode(entry.to) : new Uint8Array(0);
}

interface HeaderFields {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly sizeBytes: number;
  readonly major: number;
  readonly minor: number;
}

function header(path: string, fields: HeaderFields): Uint8Array {
  const name = new TextEncoder().encode(path);
  const numbers = [
    fields.inode,
    fields.mode,
    0, // uid
    0, // gid
    fields.links,
    0, // mtime
    fields.sizeBytes,
    0, // disk the entry lay on: major
    0, // and minor
    fields.major,
    fields.minor,
    name.length + 1,
    0, // checksum, unused in this format
  ];
  const text = numbers.map((n) => n.toString(16).toUpperCase().padStart(8, "0")).join("");
  const bytes = new Uint8Array(roundUp(cpioHeaderBytes + name.length + 1, 4));
  bytes.set(latin1Bytes(cpioMagic + text));
  bytes.set(name, cpioHeaderBytes);
  return bytes;
}
