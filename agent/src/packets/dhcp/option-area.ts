// One area of DHCP options (RFC 2132 §2): code, length, bytes, until END. A length that points past
// the area is refused, never clipped.
import { PacketError } from "../packet-error.ts";

export type OptionArea = Uint8Array;

/** Adds the options of one area to `parts`; the same code again is a continuation (RFC 3396 §5). */
export function decodeOptions(area: OptionArea, parts: Map<number, Uint8Array[]>): void {
  let offset = 0;
  while (offset < area.length) {
    const code = area[offset];
    if (code === 255) return;
    if (code === 0 || code === undefined) {
      offset += 1;
      continue;
    }
    const length = area[offset + 1];
    if (length === undefined || offset + 2 + length > area.length)
      throw new PacketError(`DHCP option ${code} runs past the end of the message`);
    const piece = area.slice(offset + 2, offset + 2 + length);
    const earlier = parts.get(code);
    if (earlier === undefined) parts.set(code, [piece]);
    else earlier.push(piece);
    offset += 2 + length;
  }
}
