// Signed documents: no type passes for another, no key counts twice, no bit may flip.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrantDocument } from "../messages/grant.ts";
import { openDocument, payloadTypes, preAuthEncoding, sealDocument } from "./dsse.ts";
import { generateKey, type PublicKey, type StoredKey, signerOf } from "./keys.ts";

const fleet = generateKey("fleet");
const other = generateKey("fleet");
const role = (threshold: number, ...keys: StoredKey[]) => ({
  name: "fleet",
  threshold,
  keys: Object.fromEntries(keys.map((key) => [key.keyid, key.public])),
});
const grant = {
  v: 1,
  id: "g-abcd",
  site: "s-abcd",
  rolloutId: "r-abcd",
  rolloutEpoch: 1,
  imageId: "a".repeat(64),
  nodes: [{ node: "n-abcd", nonce: "A".repeat(22) }],
  validMs: 120_000,
  issuedAt: 1_790_000_000_000,
};
const expectGrant = (threshold = 1, ...keys: StoredKey[]) => ({
  payloadType: payloadTypes.grant,
  roles: [role(threshold, ...(keys.length > 0 ? keys : [fleet]))],
  schema: GrantDocument,
});

describe("DSSE envelopes", () => {
  it("encodes the bytes to sign as the specification's example does", () => {
    const bytes = preAuthEncoding("http://example.com/HelloWorld", Buffer.from("hello world"));
    expect(Buffer.from(bytes).toString()).toBe(
      "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
    );
  });

  it("opens what it sealed", () => {
    const envelope = sealDocument(payloadTypes.grant, grant, [signerOf(fleet)]);
    expect(openDocument(envelope, expectGrant())).toEqual(grant);
  });

  it("refuses every document passed off as another type, even with its label changed", () => {
    for (const sealedAs of Object.values(payloadTypes)) {
      for (const readAs of Object.values(payloadTypes)) {
        if (sealedAs === readAs) continue;
        const envelope = sealDocument(sealedAs, grant, [signerOf(fleet)]);
        const expected = { ...expectGrant(), payloadType: readAs };
        expect(() => openDocument(envelope, expected)).toThrow(/expected a document of type/);
        const relabelled = { ...envelope, payloadType: readAs };
        expect(() => openDocument(relabelled, expected)).toThrow(/not signed by enough keys/);
      }
    }
  });

  it("counts one key once, whatever key ids its signatures carry", () => {
    const envelope = sealDocument(payloadTypes.grant, grant, [signerOf(fleet)]);
    const [signature] = envelope.signatures;
    if (!signature) throw new Error("sealed without a signature");
    const twice = { ...envelope, signatures: [signature, { ...signature, keyid: "b".repeat(64) }] };
    const keys: Record<string, PublicKey> = {
      [fleet.keyid]: fleet.public,
      ["b".repeat(64)]: fleet.public,
    };
    const roles = [{ name: "fleet", threshold: 2, keys }];
    expect(() => openDocument(twice, { ...expectGrant(), roles })).toThrow(/not signed by enough/);
    const both = sealDocument(payloadTypes.grant, grant, [signerOf(fleet), signerOf(other)]);
    expect(openDocument(both, expectGrant(2, fleet, other))).toEqual(grant);
  });

  it("refuses any flipped bit of the payload or signature", () => {
    const envelope = sealDocument(payloadTypes.grant, grant, [signerOf(fleet)]);
    const payload = Buffer.from(envelope.payload, "base64");
    fc.assert(
      fc.property(fc.nat(payload.length * 8 - 1), (bit) => {
        const flipped = Buffer.from(payload);
        flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        const forged = { ...envelope, payload: flipped.toString("base64") };
        expect(() => openDocument(forged, expectGrant())).toThrow(/not signed by enough/);
      }),
      { numRuns: 200 },
    );
  });

  it("refuses a correctly signed payload that does not fit its schema", () => {
    const envelope = sealDocument(payloadTypes.grant, { ...grant, nodes: [] }, [signerOf(fleet)]);
    expect(() => openDocument(envelope, expectGrant())).toThrow(/does not fit its schema/);
  });
});
