// The attacks on release trust that our workflow has to refuse.
import { describe, expect, it } from "vitest";
import { ChannelName, ImageId } from "../ids.ts";
import { ReleaseCustom, ReleaseRef } from "../release/release.ts";
import { generateKey, type StoredKey, signerOf } from "./keys.ts";
import {
  findRelease,
  makeReleaseMetadata,
  makeRoot,
  type RoleKeys,
  trustFirstRoot,
  trustNextRoot,
  trustReleases,
} from "./release-metadata.ts";

const rootKeys = ["root", "root", "root"].map(generateKey);
const dev = generateKey("release/dev");
const fleet = generateKey("fleet");
const channel = ChannelName.parse("dev");
const far = Date.parse("2030-01-01T00:00:00Z");
const roleOf = (threshold: number, keys: readonly StoredKey[]): RoleKeys => ({
  threshold,
  keys: keys.map((key) => key.public),
});
const roles = (keys: readonly StoredKey[] = rootKeys) => ({
  root: roleOf(2, keys),
  fleet: roleOf(1, [fleet]),
  "release/dev": roleOf(1, [dev]),
});
const signers = (...keys: StoredKey[]) => keys.map(signerOf);
const [r1, r2, r3] = rootKeys as [StoredKey, StoredKey, StoredKey];
const rootText = makeRoot({ version: 1, expiresAt: far, roles: roles() }, signers(r1, r2));
const ref = ReleaseRef.parse({
  name: "till",
  semver: "1.0.0",
  channel: "dev",
  counter: 1,
  imageId: "c".repeat(64),
});
const releases = (version: number, by: StoredKey[] = [dev], imageId = ref.imageId) =>
  makeReleaseMetadata(
    {
      version,
      expiresAt: far,
      releases: [
        {
          name: "till",
          semver: "1.0.0",
          imageId,
          manifestBytes: 900,
          custom: ReleaseCustom.parse({ counter: 1 }),
        },
      ],
    },
    signers(...by),
  );

describe("release trust", () => {
  it("accepts a first root signed by its own threshold and no fewer", () => {
    expect(trustFirstRoot(rootText).version).toBe(1);
    const one = makeRoot({ version: 1, expiresAt: far, roles: roles() }, signers(r1));
    expect(() => trustFirstRoot(one)).toThrow(/not signed by enough/);
  });

  it("refuses a root that names one key twice to reach the threshold", () => {
    const json = JSON.parse(makeRoot({ version: 1, expiresAt: far, roles: roles() }, signers(r1)));
    json.signed.keys["d".repeat(64)] = r1.public;
    expect(() => trustFirstRoot(JSON.stringify(json))).toThrow(/something other than its digest/);
  });

  it("moves to the next root only when the old and the new threshold signed it, one version up", () => {
    const current = trustFirstRoot(rootText);
    const fresh = generateKey("root");
    const next = roles([r1, r2, fresh]);
    const good = makeRoot({ version: 2, expiresAt: far, roles: next }, signers(r1, r2));
    expect(trustNextRoot(current, good).version).toBe(2);
    const skipped = makeRoot({ version: 3, expiresAt: far, roles: next }, signers(r1, r2));
    expect(() => trustNextRoot(current, skipped)).toThrow(/does not follow/);
    const usurped = makeRoot(
      { version: 2, expiresAt: far, roles: roles([fresh, r3, r2]) },
      signers(fresh, r3),
    );
    expect(() => trustNextRoot(current, usurped)).toThrow(/not signed by enough/);
  });

  it("an expired root still learns its successor", () => {
    const expired = trustFirstRoot(
      makeRoot({ version: 1, expiresAt: 1_000, roles: roles() }, signers(r1, r2)),
    );
    expect(
      trustNextRoot(
        expired,
        makeRoot({ version: 2, expiresAt: far, roles: roles() }, signers(r2, r3)),
      ).version,
    ).toBe(2);
  });

  it("reads releases signed by their channel's key and refuses every other signer", () => {
    const root = trustFirstRoot(rootText);
    const trusted = trustReleases(root, channel, releases(4), 1);
    expect(findRelease(trusted, ref)).toMatchObject({ found: { imageId: ref.imageId } });
    expect(() => trustReleases(root, channel, releases(4, [fleet]), 1)).toThrow(
      /not signed by enough/,
    );
    expect(() => trustReleases(root, ChannelName.parse("stable"), releases(4), 1)).toThrow(
      /knows no role/,
    );
  });

  it("never goes back below the remembered version", () => {
    const root = trustFirstRoot(rootText);
    expect(() => trustReleases(root, channel, releases(3), 4)).toThrow(/below the remembered 4/);
  });

  it("says why a release is not the signed one", () => {
    const trusted = trustReleases(
      trustFirstRoot(rootText),
      channel,
      releases(1, [dev], ImageId.parse("e".repeat(64))),
      1,
    );
    expect(findRelease(trusted, ref)).toEqual({
      refused: "till@1.0.0 is signed for another image",
    });
  });

  it("refuses another spelling of a signature, which would be a second form of one version", () => {
    const json = JSON.parse(releases(2));
    json.signatures[0].sig = json.signatures[0].sig.toUpperCase();
    expect(() => trustReleases(trustFirstRoot(rootText), channel, JSON.stringify(json), 1)).toThrow(
      /cannot be read/,
    );
  });

  it("refuses a flipped bit anywhere in signed metadata", () => {
    const text = releases(2);
    const root = trustFirstRoot(rootText);
    const from = text.indexOf('"signed"');
    let refused = 0;
    for (let at = from; at < text.length - 2; at += 1) {
      const flipped = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;
      expect(() => trustReleases(root, channel, flipped, 1), `bit at ${at}`).toThrow();
      refused += 1;
    }
    expect(refused).toBeGreaterThan(200);
  });
});
