// Golden vectors of everything that is written to disks, onto the wire or signed: these bytes may
// never change by accident. A deliberate change is a new version of the format.
import { describe, expect, it } from "vitest";
import { canonicalJson } from "./canonical-json.ts";
import { readEnrolment, writeEnrolment } from "./enrolment.ts";
import { ImageId, Sha256 } from "./ids.ts";
import { Manifest, manifestText } from "./image/manifest.ts";
import { DesiredDocument } from "./messages/desired.ts";
import { defaultSitePolicy } from "./site/policy.ts";
import { sha256Hex } from "./trust/digest.ts";
import { payloadTypes, sealDocument } from "./trust/dsse.ts";
import { keyIdOf, signerOf } from "./trust/keys.ts";

const publicHex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
// RFC 8032 §7.1 test 1.
const key = { keytype: "ed25519", scheme: "ed25519", keyval: { public: publicHex } } as const;
const stored = {
  keyid: keyIdOf(key),
  role: "fleet",
  public: key,
  seedHex: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
};

const manifest: Manifest = {
  v: 1,
  name: "till",
  architecture: "amd64",
  bootModes: ["bios", "uefi"],
  artefacts: {
    root: { sizeBytes: 4096, sha256: Sha256.parse("1".repeat(64)) },
    kernel: { sizeBytes: 10, sha256: Sha256.parse("2".repeat(64)) },
    initrd: { sizeBytes: 20, sha256: Sha256.parse("3".repeat(64)) },
  },
  verity: {
    rootHash: Sha256.parse("4".repeat(64)),
    saltHex: "5".repeat(64),
    dataBlocks: 1,
    blockBytes: 4096,
  },
  kernelArguments: ["quiet"],
  chunkIndexRoot: Sha256.parse("6".repeat(64)),
  chunkIndexBytes: 300,
  lock: Sha256.parse("7".repeat(64)),
  sbom: Sha256.parse("8".repeat(64)),
  packages: Sha256.parse("9".repeat(64)),
  provenance: Sha256.parse("a".repeat(64)),
  probes: [{ name: "agent", command: ["/bin/true"], timeoutMs: 1000 }],
  state: { reads: [1], writes: 1 },
  requires: { memoryBytesMin: 0, rootSlotBytesMin: 0 },
  parametersSchema: "{}",
  agentProtocolMin: 1,
};

describe("golden vectors", () => {
  it("canonical JSON sorts keys by code unit and refuses fractions", () => {
    expect(canonicalJson({ b: [1, true, null], a: "é", A: undefined })).toBe(
      '{"a":"é","b":[1,true,null]}',
    );
    expect(() => canonicalJson({ a: 0.5 })).toThrow(/integers only/);
  });

  it("an image id is the digest of the canonical manifest", () => {
    expect(ImageId.parse(sha256Hex(manifestText(manifest)))).toMatchInlineSnapshot(
      `"03ef1dba84ac4fb639f7ad35701e72d93f99d3975868ffb203b3146c2c68b911"`,
    );
    expect(manifestText(Manifest.parse({ ...manifest, colour: "red" }))).toBe(
      manifestText(manifest),
    );
  });

  it("a key id is the digest of the canonical key", () => {
    expect(stored.keyid).toMatchInlineSnapshot(
      `"74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"`,
    );
  });

  it("a desired document seals to the same envelope for ever", () => {
    const document: DesiredDocument = DesiredDocument.parse({
      v: 1,
      site: "s-abcd",
      generation: 7,
      issuedAt: 1_790_000_000_000,
      expiresAt: 1_792_592_000_000,
      status: "active",
      classes: {
        till: {
          committed: {
            name: "till",
            semver: "1.0.0",
            channel: "dev",
            counter: 1,
            imageId: "b".repeat(64),
          },
          assigned: null,
          minimum: 1,
          withdrawn: [],
          procedure: null,
        },
      },
      nodes: [
        {
          id: "n-abcd",
          macs: ["52:54:00:00:00:01"],
          class: "till",
          install: null,
          hold: false,
          refusalsCleared: 0,
        },
      ],
      policy: defaultSitePolicy,
      metadata: { rootVersion: 1, releases: { dev: { version: 1, sha256: "c".repeat(64) } } },
    });
    const envelope = sealDocument(payloadTypes.desired, document, [signerOf(stored)]);
    expect(sha256Hex(canonicalJson(envelope))).toMatchInlineSnapshot(
      `"e9b383fa538e3eaa8b9ed5864e478fbdadfccc1d97fee4e1009a6a2a5cd45791"`,
    );
  });

  it("an enrolment string keeps its form and survives reading", () => {
    const enrolment = {
      url: "https://centre.example:8443",
      caFingerprint: Sha256.parse("e".repeat(64)),
      token: "T".repeat(32),
    };
    expect(writeEnrolment(enrolment)).toMatchInlineSnapshot(
      `"drover1.aHR0cHM6Ly9jZW50cmUuZXhhbXBsZTo4NDQz.eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"`,
    );
    expect(readEnrolment(writeEnrolment(enrolment))).toEqual(enrolment);
    expect(() => readEnrolment("drover2.a.b.c")).toThrow(/not an enrolment string/);
    expect(() => readEnrolment(writeEnrolment(enrolment).replace(/e{64}/, "zz"))).toThrow(
      /damaged/,
    );
  });
});
