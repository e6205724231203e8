// NATS nkeys and user JWTs (NATS ADR-14 and the nkeys README) on node:crypto: base32 without padding
// over prefix ‖ key ‖ CRC-16/XMODEM. Used for site identity on the bus and over HTTPS.
import { generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { FleetError } from "../errors.ts";
import { sha256Hex } from "./digest.ts";
import { privateKeyFromSeed, publicKeyFromRaw, rawPublicKey } from "./keys.ts";

export class NkeyError extends FleetError {
  readonly code = "nkey-invalid";
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SEED_PREFIX = 18 << 3;
const prefixes = { user: 20 << 3, account: 0, operator: 14 << 3 } as const;
export type NkeyKind = keyof typeof prefixes;

/** RFC 4648 base32 without padding. */
export function base32Encode(bytes: Uint8Array): string {
  let text = "";
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >>> bits) & 31];
    }
  }
  return bits > 0 ? text + ALPHABET[(value << (5 - bits)) & 31] : text;
}

/** Inverse of {@link base32Encode}; throws on a foreign character. */
export function base32Decode(text: string): Uint8Array {
  const bytes: number[] = [];
  let value = 0;
  let bits = 0;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) throw new NkeyError("an nkey holds only A-Z and 2-7");
    value = ((value << 5) | digit) & 0xffff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 255);
    }
  }
  return Uint8Array.from(bytes);
}

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

function withCrc(bytes: Uint8Array): Uint8Array {
  const crc = crc16(bytes);
  return Uint8Array.from([...bytes, crc & 255, crc >> 8]);
}

function checked(text: string, length: number): Uint8Array {
  const bytes = base32Decode(text);
  const body = bytes.subarray(0, -2);
  if (
    bytes.length !== length ||
    crc16(body) !== ((bytes.at(-2) ?? 0) | ((bytes.at(-1) ?? 0) << 8))
  ) {
    throw new NkeyError("the nkey is damaged: wrong length or checksum");
  }
  return body;
}

/** The public form, such as `U…` for a user. */
export function encodePublicNkey(kind: NkeyKind, raw: Uint8Array): string {
  return base32Encode(withCrc(Uint8Array.from([prefixes[kind], ...raw])));
}

/** The 32 raw bytes of a public nkey of the given kind. */
export function decodePublicNkey(kind: NkeyKind, text: string): Uint8Array {
  const body = checked(text, 35);
  if (body[0] !== prefixes[kind]) throw new NkeyError(`not a public nkey of kind ${kind}`);
  return body.subarray(1);
}

/** An nkey pair; `seed` (`S…`) is the secret at rest. */
export interface Nkey {
  readonly kind: NkeyKind;
  readonly public: string;
  readonly seed: string;
  readonly privateKey: KeyObject;
}

function nkeyOf(kind: NkeyKind, seedBytes: Uint8Array): Nkey {
  const privateKey = privateKeyFromSeed(seedBytes);
  const prefix = prefixes[kind];
  const head = [SEED_PREFIX | (prefix >> 5), (prefix & 31) << 3];
  return {
    kind,
    public: encodePublicNkey(kind, rawPublicKey(privateKey)),
    seed: base32Encode(withCrc(Uint8Array.from([...head, ...seedBytes]))),
    privateKey,
  };
}

/** Makes a fresh nkey. */
export function generateNkey(kind: NkeyKind): Nkey {
  const { privateKey } = generateKeyPairSync("ed25519");
  return nkeyOf(kind, privateKey.export({ format: "der", type: "pkcs8" }).subarray(16));
}

/** Reads an nkey back from its seed. */
export function nkeyFromSeed(kind: NkeyKind, seed: string): Nkey {
  const body = checked(seed, 36);
  const found = (((body[0] ?? 0) & 7) << 5) | ((body[1] ?? 0) >> 3);
  if (((body[0] ?? 0) & 0xf8) !== SEED_PREFIX || found !== prefixes[kind]) {
    throw new NkeyError(`not a seed of kind ${kind}`);
  }
  return nkeyOf(kind, body.subarray(2));
}

/** Signs `bytes` with an nkey. */
export function signWithNkey(nkey: Nkey, bytes: Uint8Array): Uint8Array {
  return sign(null, bytes, nkey.privateKey);
}

/** True when the holder of the public user nkey signed `bytes`. */
export function verifyUserNkey(
  publicNkey: string,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(null, bytes, publicKeyFromRaw(decodePublicNkey("user", publicNkey)), signature);
}

const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64url");

/** Claims of a NATS JWT v2, without the members {@link signNatsJwt} adds. */
export interface NatsClaims {
  readonly name: string;
  readonly sub: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp?: number;
  readonly nats: Readonly<Record<string, unknown>>;
}

/** Encodes and signs a NATS JWT (`alg` ed25519-nkey); the `jti` is a digest of the claims. */
export function signNatsJwt(claims: NatsClaims, issuer: Nkey): string {
  const head = base64url(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }));
  const unsigned = { jti: "", iss: issuer.public, ...claims };
  const jti = base32Encode(Buffer.from(sha256Hex(JSON.stringify(unsigned)), "hex"));
  const body = `${head}.${base64url(JSON.stringify({ ...unsigned, jti }))}`;
  return `${body}.${base64url(signWithNkey(issuer, Buffer.from(body)))}`;
}
