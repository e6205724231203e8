// Small files of `set name='value'` lines that GRUB sources and we parse: one form, written and read
// here only. Values are limited to characters that GRUB takes literally.

import { latin1Bytes, latin1Text } from "./bytes.ts";
import { DiskFormatError, DiskInputError } from "./disk-errors.ts";

// No quotes, no '$', no '\', none of GRUB's or the shell's wildcards and separators.
const valuePattern = /^[A-Za-z0-9_.,:=/@%+ -]*$/;
const linePattern = /^set ([a-z][a-z0-9_]*)='([^']*)'$/;
const bytesMax = 16_384;

/** True when GRUB passes `value` on exactly as it stands. */
export function isPlainValue(value: string): boolean {
  return valuePattern.test(value);
}

/** Text of the file. Throws {@link DiskInputError} on a value GRUB would not take literally. */
export function encodeSettings(comment: string, rows: ReadonlyMap<string, string>): Uint8Array {
  let text = `# ${comment}\n`;
  for (const [name, value] of rows) {
    if (!isPlainValue(value)) {
      throw new DiskInputError(`${JSON.stringify(value)} cannot be passed through the boot loader`);
    }
    text += `set ${name}='${value}'\n`;
  }
  if (text.length > bytesMax) throw new DiskInputError("the boot settings are too long");
  return latin1Bytes(text);
}

/** Strict inverse: comments and settings only, each once. Throws {@link DiskFormatError}. */
export function parseSettings(bytes: Uint8Array): Map<string, string> {
  if (bytes.length > bytesMax) throw new DiskFormatError("the boot settings are too long");
  const text = latin1Text(bytes);
  if (!text.endsWith("\n")) throw new DiskFormatError("the boot settings are cut short");
  const rows = new Map<string, string>();
  for (const line of text.slice(0, -1).split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, value] = linePattern.exec(line) ?? [];
    if (name === undefined || value === undefined || !isPlainValue(value)) {
      throw new DiskFormatError(`${JSON.stringify(line)} is no boot setting`);
    }
    if (rows.has(name)) throw new DiskFormatError(`the boot setting ${name} is given twice`);
    rows.set(name, value);
  }
  return rows;
}
