// Random secrets of people and sites, and the hashes they are kept as. A secret has 256 bits, so one round of
// SHA-256 is enough: there is nothing to guess.
import { createHash, randomBytes } from "node:crypto";
import { idTail } from "@drover/shared/ids";

/** 43 base64url characters. `prefix` tells people (and secret scanners) what it is. */
export function newSecret(prefix = ""): string {
  return `${prefix}${randomBytes(32).toString("base64url")}`;
}

export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** A fresh opaque id such as `s-…`. */
export function newId<Brand extends string>(
  schema: { parse(text: string): Brand },
  prefix: string,
): Brand {
  return schema.parse(`${prefix}-${idTail(randomBytes(20))}`);
}
