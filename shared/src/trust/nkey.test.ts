// Site identities in the form the bus expects.
import { describe, expect, it } from "vitest";
import {
  decodePublicNkey,
  generateNkey,
  nkeyFromSeed,
  signNatsJwt,
  signWithNkey,
  verifyUserNkey,
} from "./nkey.ts";

// Test vector of the nkeys reference implementations.
const seed = "SUAGMJH5XLGZKQQWAWKRZJIGMOU4HPFUYLXJMXOO5NLFEO2OOQJ5LPRDPM";

describe("nkeys", () => {
  it("reads a seed made elsewhere and writes it back unchanged", () => {
    const nkey = nkeyFromSeed("user", seed);
    expect(nkey.seed).toBe(seed);
    expect(nkey.public).toMatch(/^U[A-Z2-7]{55}$/);
    expect(decodePublicNkey("user", nkey.public)).toHaveLength(32);
  });

  it("verifies its own signature and refuses another's", () => {
    const nkey = generateNkey("user");
    const bytes = Buffer.from("challenge");
    expect(verifyUserNkey(nkey.public, bytes, signWithNkey(nkey, bytes))).toBe(true);
    expect(verifyUserNkey(generateNkey("user").public, bytes, signWithNkey(nkey, bytes))).toBe(
      false,
    );
  });

  it("refuses a seed of another kind, a wrong letter and a wrong checksum", () => {
    expect(() => nkeyFromSeed("account", seed)).toThrow(/not a seed of kind account/);
    expect(() => nkeyFromSeed("user", seed.replace("J", "1"))).toThrow(/only A-Z and 2-7/);
    expect(() => nkeyFromSeed("user", `${seed.slice(0, -1)}A`)).toThrow(/damaged/);
  });

  it("signs a JWT that carries its issuer and a digest of its claims", () => {
    const issuer = generateNkey("account");
    const jwt = signNatsJwt(
      {
        name: "s-abcd",
        sub: generateNkey("user").public,
        iat: 1,
        nats: { type: "user", version: 2 },
      },
      issuer,
    );
    const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ iss: issuer.public, name: "s-abcd" });
    expect(claims.jti).toMatch(/^[A-Z2-7]{52}$/);
  });
});
