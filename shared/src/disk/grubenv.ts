// GRUB's environment block: 1024 bytes of `name=value` lines filled up with '#'. All variables lie
// in the first 512 bytes and the second 512 are always '#', so one write changes exactly one sector
// and a power cut leaves the old block or the new one.

import { latin1Bytes, latin1Text } from "./bytes.ts";
import { DiskFormatError, DiskInputError } from "./disk-errors.ts";

export const grubenvBytes = 1024;
const sectorBytes = 512;
const signature = "# GRUB Environment Block\n";
const namePattern = /^[a-z_][a-z0-9_]*$/;
const valuePattern = /^[ -~]*$/;
const hash = 0x23;

/** Encodes in the order of the map. Throws {@link DiskInputError} when it does not fit one sector. */
export function encodeGrubenv(variables: ReadonlyMap<string, string>): Uint8Array {
  let text = signature;
  for (const [name, value] of variables) {
    if (!namePattern.test(name) || !valuePattern.test(value) || value.includes("\\")) {
      throw new DiskInputError(`${JSON.stringify(`${name}=${value}`)} cannot be a boot variable`);
    }
    text += `${name}=${value}\n`;
  }
  if (text.length > sectorBytes) {
    throw new DiskInputError(
      `boot variables need ${text.length} bytes, one sector has ${sectorBytes}`,
    );
  }
  return latin1Bytes(text.padEnd(grubenvBytes, "#"));
}

/**
 * Strict on the first sector. The second sector carries nothing, so whatever a torn write left there
 * is ignored; the next write puts it right. Throws {@link DiskFormatError}.
 */
export function parseGrubenv(block: Uint8Array): Map<string, string> {
  if (block.length !== grubenvBytes) {
    throw new DiskFormatError(
      `an environment block has ${grubenvBytes} bytes, not ${block.length}`,
    );
  }
  const text = latin1Text(block.subarray(0, sectorBytes));
  if (!text.startsWith(signature))
    throw new DiskFormatError("the environment block has no signature");
  const body = text.slice(signature.length);
  const end = body.lastIndexOf("\n") + 1;
  for (let at = end; at < body.length; at += 1) {
    if (body.charCodeAt(at) !== hash) throw new DiskFormatError("the filling is not '#'");
  }
  const variables = new Map<string, string>();
  for (const line of body.slice(0, end).split("\n").slice(0, -1)) {
    const split = line.indexOf("=");
    const name = line.slice(0, split);
    const value = line.slice(split + 1);
    if (split < 1 || !namePattern.test(name) || !valuePattern.test(value)) {
      throw new DiskFormatError(`${JSON.stringify(line)} is no boot variable`);
    }
    if (variables.has(name)) throw new DiskFormatError(`the boot variable ${name} is set twice`);
    variables.set(name, value);
  }
  return variables;
}
