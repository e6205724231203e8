// The key that a computer makes for itself. While it is being installed the seed lies in memory only,
// so that a restarted installer claims with the same key instead of raising an alarm.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { FleetError } from "@drover/shared/errors";
import { keyIdOf, privateKeyFromSeed, rawPublicKey } from "@drover/shared/trust/keys";
import { writeDurably } from "./state-file.ts";

export class NodeKeyError extends FleetError {
  readonly code = "node-key-unreadable";
}

export interface NodeKeyPair {
  readonly seedHex: string;
  readonly publicHex: string;
  /** For people to compare on the console and at the site: two groups of four. */
  readonly shortCode: string;
  sign(bytes: Uint8Array): Uint8Array;
}

function pairOf(privateKey: KeyObject, seedHex: string): NodeKeyPair {
  const publicHex = Buffer.from(rawPublicKey(privateKey)).toString("hex");
  const keyId = keyIdOf({
    keytype: "ed25519",
    scheme: "ed25519",
    keyval: { public: publicHex },
  });
  return {
    seedHex,
    publicHex,
    shortCode: `${keyId.slice(0, 4)}-${keyId.slice(4, 8)}`,
    sign: (bytes) => sign(null, bytes, privateKey),
  };
}

export function nodeKeyFromSeed(seedHex: string): NodeKeyPair {
  if (!/^[0-9a-f]{64}$/.test(seedHex)) throw new NodeKeyError("the node's key seed is damaged");
  return pairOf(privateKeyFromSeed(Buffer.from(seedHex, "hex")), seedHex);
}

/** The key kept in `path`, made on first use. */
export function keptNodeKey(path: string): NodeKeyPair {
  if (existsSync(path)) return nodeKeyFromSeed(readFileSync(path, "utf8").trim());
  const { privateKey } = generateKeyPairSync("ed25519");
  const der = privateKey.export({ format: "der", type: "pkcs8" });
  const seedHex = Buffer.from(der.subarray(der.length - 32)).toString("hex");
  writeDurably(path, `${seedHex}\n`);
  return pairOf(privateKey, seedHex);
}
