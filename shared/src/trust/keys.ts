// Ed25519 signing keys in TUF's key format. A key id is always the SHA-256 of the canonical key
// object, so one key can never count twice towards a threshold under two names.
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../canonical-json.ts";
import { Sha256 } from "../ids.ts";
import { sha256Hex } from "./digest.ts";

/** A public key as TUF writes it (TUF 1.0 §4.2, keytype ed25519). */
export const PublicKey = z.object({
  keytype: z.literal("ed25519"),
  scheme: z.literal("ed25519"),
  keyval: z.object({ public: z.string().regex(/^[0-9a-f]{64}$/) }),
});
export type PublicKey = z.infer<typeof PublicKey>;

/** A key pair at rest: the 32-byte seed in hex. Files that hold one have mode 0600. */
export const StoredKey = z.strictObject({
  keyid: Sha256,
  role: z.string().min(1).max(80),
  public: PublicKey,
  seedHex: z.string().regex(/^[0-9a-f]{64}$/),
});
export type StoredKey = z.infer<typeof StoredKey>;

const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

/** The private key object for a 32-byte Ed25519 seed (RFC 8410). */
export function privateKeyFromSeed(seed: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([PKCS8_ED25519, seed]),
    format: "der",
    type: "pkcs8",
  });
}

/** The public key object for 32 raw bytes (RFC 8410). */
export function publicKeyFromRaw(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_ED25519, raw]), format: "der", type: "spki" });
}

/** The 32 raw bytes of an Ed25519 public key. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ format: "der", type: "spki" }).subarray(SPKI_ED25519.length);
}

/** TUF key id: SHA-256 of the canonical key object. */
export function keyIdOf(key: PublicKey): Sha256 {
  return sha256Hex(canonicalJson(PublicKey.parse(key)));
}

/** A signer for one role; `sign` returns the 64-byte Ed25519 signature (RFC 8032). */
export interface Signer {
  readonly keyid: Sha256;
  readonly public: PublicKey;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Makes a fresh key pair for `role`. */
export function generateKey(role: string): StoredKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  const seedHex = privateKey.export({ format: "der", type: "pkcs8" }).subarray(16).toString("hex");
  const publicHex = Buffer.from(rawPublicKey(privateKey)).toString("hex");
  const key: PublicKey = { keytype: "ed25519", scheme: "ed25519", keyval: { public: publicHex } };
  return { keyid: keyIdOf(key), role, public: key, seedHex };
}

/** A signer from a stored key. */
export function signerOf(stored: StoredKey): Signer {
  const privateKey = privateKeyFromSeed(Buffer.from(stored.seedHex, "hex"));
  return {
    keyid: stored.keyid,
    public: stored.public,
    sign: (bytes) => sign(null, bytes, privateKey),
  };
}

/** True when `signature` over `bytes` was made by `key`. */
export function verifySignature(key: PublicKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  return verify(null, bytes, publicKeyFromRaw(Buffer.from(key.keyval.public, "hex")), signature);
}
