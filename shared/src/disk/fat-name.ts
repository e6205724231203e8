// Names in FAT directories: the 8.3 name and, where that does not say the name exactly, the VFAT
// long name before it (Microsoft FAT specification 1.03, "Long directory entries"). ASCII only.

import { latin1Bytes } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";

const shortPattern = /^[A-Z0-9!#$%&'()@^_`{}~-]{1,8}(\.[A-Z0-9!#$%&'()@^_`{}~-]{1,3})?$/;
const longPattern = /^[ !#-),-.0-9;=@-[\]-{}~+]{1,255}$/;
const unitsPerEntry = 13;
// Where the 13 UTF-16 units of one long-name entry lie within its 32 bytes.
const unitPlaces = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30] as const;
export const longNameAttribute = 0x0f;

/** Throws {@link DiskInputError} unless `name` can be one path segment of a FAT file system. */
export function checkFatName(name: string): void {
  const legal = longPattern.test(name) && !/[. ]$/.test(name) && !name.startsWith(" ");
  if (!legal) throw new DiskInputError(`${JSON.stringify(name)} is no legal FAT name`);
}

export function isShortName(name: string): boolean {
  return shortPattern.test(name);
}

/** The 11 bytes of an 8.3 name such as `GRUBX64.EFI`. */
export function shortNameBytes(name: string): Uint8Array {
  const [base = "", extension = ""] = name.split(".");
  return latin1Bytes(base.padEnd(8) + extension.padEnd(3));
}

/** A free 8.3 alias `BASE~N.EXT` for a long name; `taken` holds the short names of the directory. */
export function aliasFor(name: string, taken: ReadonlySet<string>): string {
  const upper = name.toUpperCase();
  const dot = upper.lastIndexOf(".");
  const clean = (text: string): string => text.replaceAll(/[^A-Z0-9_-]/g, "");
  const base = clean(dot > 0 ? upper.slice(0, dot) : upper) || "FILE";
  const extension = dot > 0 ? clean(upper.slice(dot + 1)).slice(0, 3) : "";
  for (let n = 1; n < 1_000_000; n += 1) {
    const tail = `~${n}`;
    const alias = base.slice(0, 8 - tail.length) + tail + (extension === "" ? "" : `.${extension}`);
    if (!taken.has(alias)) return alias;
  }
  throw new DiskInputError(`no free short name for ${JSON.stringify(name)}`);
}

/** Ties a long name to its short entry. */
export function shortNameChecksum(shortBytes: Uint8Array): number {
  let sum = 0;
  for (const byte of shortBytes) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}

/** The long-name entries of `name` in directory order (last part first), 32 bytes each. */
export function longNameEntries(name: string, checksum: number): Uint8Array {
  const parts = Math.ceil(name.length / unitsPerEntry);
  const bytes = new Uint8Array(parts * 32);
  for (let part = 0; part < parts; part += 1) {
    const entry = bytes.subarray((parts - 1 - part) * 32, (parts - part) * 32);
    entry[0] = (part + 1) | (part === parts - 1 ? 0x40 : 0);
    entry[11] = longNameAttribute;
    entry[13] = checksum;
    unitPlaces.forEach((place, i) => {
      const at = part * unitsPerEntry + i;
      const unit = at < name.length ? name.charCodeAt(at) : at === name.length ? 0 : 0xffff;
      entry[place] = unit & 0xff;
      entry[place + 1] = unit >> 8;
    });
  }
  return bytes;
}

/** The 13 units of one long-name entry, without end mark and filling. */
export function longNamePart(entry: Uint8Array): string {
  let text = "";
  for (const place of unitPlaces) {
    const unit = (entry[place] ?? 0) | ((entry[place + 1] ?? 0) << 8);
    if (unit === 0 || unit === 0xffff) break;
    text += String.fromCharCode(unit);
  }
  return text;
}
