// Writes the few ASN.1 DER values that a certificate needs (ITU-T X.690). Pure; the encodings are the
// shortest ones, as DER demands.

export type Der = Uint8Array<ArrayBuffer>;

/** One value: tag, length, content. */
export function value(tag: number, ...content: readonly Uint8Array[]): Der {
  const sizeBytes = content.reduce((sum, part) => sum + part.length, 0);
  const head = [tag, ...lengthBytes(sizeBytes)];
  const out = new Uint8Array(head.length + sizeBytes);
  out.set(head);
  let at = head.length;
  for (const part of content) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function lengthBytes(sizeBytes: number): number[] {
  if (sizeBytes < 0x80) return [sizeBytes];
  const digits = base256(sizeBytes);
  return [0x80 | digits.length, ...digits];
}

function base256(number: number): number[] {
  const digits: number[] = [];
  for (let rest = number; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return digits;
}

export const sequence = (...parts: readonly Uint8Array[]): Der => value(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Der => value(0x31, ...parts);
export const octets = (content: Uint8Array): Der => value(0x04, content);
export const boolean = (truth: boolean): Der => value(0x01, Uint8Array.of(truth ? 0xff : 0));
export const utf8 = (text: string): Der => value(0x0c, new TextEncoder().encode(text));
/** `[number]`, constructed, explicit. */
export const explicit = (number: number, part: Uint8Array): Der => value(0xa0 | number, part);
/** `[number]`, primitive, implicit. */
export const implicit = (number: number, content: Uint8Array): Der => value(0x80 | number, content);

/** A positive integer from its big-endian bytes. */
export function integer(bytes: Uint8Array): Der {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const trimmed = bytes.subarray(start);
  const needsZero = ((trimmed[0] ?? 0) & 0x80) !== 0;
  return needsZero ? value(0x02, Uint8Array.of(0), trimmed) : value(0x02, trimmed);
}

/** A bit string without unused bits, or with `unusedBits` of them. */
export function bits(content: Uint8Array, unusedBits = 0): Der {
  return value(0x03, Uint8Array.of(unusedBits), content);
}

/** An object identifier from its dotted form. */
export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const content = [first * 40 + second, ...rest].flatMap((arc) => {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift(0x80 | (left % 128));
    }
    return digits;
  });
  return value(0x06, Uint8Array.from(content));
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5). `at` is epoch ms. */
export function time(at: number): Der {
  const digits = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, "");
  const isShort = Number(digits.slice(0, 4)) < 2050;
  const text = isShort ? digits.slice(2) : digits;
  return value(isShort ? 0x17 : 0x18, new TextEncoder().encode(text));
}
