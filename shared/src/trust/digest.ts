// SHA-256 over bytes already in memory, as lower-case hex.
import { createHash } from "node:crypto";
import type { Sha256 } from "../ids.ts";

export function sha256Hex(bytes: Uint8Array | string): Sha256 {
  return createHash("sha256").update(bytes).digest("hex") as Sha256;
}
