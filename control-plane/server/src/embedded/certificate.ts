// X.509 v3 certificates with ECDSA P-256 keys (RFC 5280, RFC 5758): a root and leaves signed by it.
// Pure but for the signature; time and serial number are arguments.
import { createHash, type KeyObject, sign } from "node:crypto";
import { isIP } from "node:net";
import {
  bits,
  boolean,
  type Der,
  explicit,
  implicit,
  integer,
  octets,
  oid,
  sequence,
  set,
  time,
  utf8,
} from "./der.ts";

export interface CertificateRequest {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly issuerPublicKey: KeyObject;
  readonly issuerPrivateKey: KeyObject;
  /** 16 random bytes. */
  readonly serial: Uint8Array;
  /** Epoch ms. */
  readonly validFrom: number;
  readonly validUntil: number;
  /** An authority may sign leaves and nothing else; a server names where it answers. */
  readonly role:
    | { readonly kind: "authority" }
    | { readonly kind: "server"; readonly names: readonly string[] };
}

/** The signed certificate in DER. */
export function makeCertificate(request: CertificateRequest): Der {
  const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
  const body = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(positive(request.serial)),
    ecdsaWithSha256,
    commonName(request.issuer),
    sequence(time(request.validFrom), time(request.validUntil)),
    commonName(request.subject),
    keyInfo(request.publicKey),
    explicit(3, sequence(...extensions(request))),
  );
  const signature = sign("sha256", body, { key: request.issuerPrivateKey, dsaEncoding: "der" });
  return sequence(body, ecdsaWithSha256, bits(signature));
}

/** PEM text of a DER certificate. */
export function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function extensions(request: CertificateRequest): Der[] {
  const { role } = request;
  const subjectKey = extension("2.5.29.14", false, octets(keyId(request.publicKey)));
  const authorityKey = sequence(implicit(0, keyId(request.issuerPublicKey)));
  const issuer = extension("2.5.29.35", false, authorityKey);
  if (role.kind === "authority") {
    return [
      extension("2.5.29.19", true, sequence(boolean(true), integer(Uint8Array.of(0)))),
      // keyCertSign and cRLSign are bits 5 and 6.
      extension("2.5.29.15", true, bits(Uint8Array.of(0b0000_0110), 1)),
      subjectKey,
      issuer,
    ];
  }
  return [
    extension("2.5.29.19", true, sequence()),
    extension("2.5.29.15", true, bits(Uint8Array.of(0b1000_0000), 7)),
    extension("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.1"))),
    extension("2.5.29.17", false, sequence(...role.names.map(alternativeName))),
    subjectKey,
    issuer,
  ];
}

function extension(id: string, isCritical: boolean, content: Uint8Array): Der {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(content));
}

function alternativeName(name: string): Der {
  if (isIP(name) !== 0) return implicit(7, addressBytes(name));
  return implicit(2, new TextEncoder().encode(name));
}

/** Network bytes of an address: 4 or 16. */
export function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split(".").map(Number));
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0);
  return Uint8Array.from(
    [...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 255]),
  );
}

function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function commonName(name: string): Der {
  return sequence(set(sequence(oid("2.5.4.3"), utf8(name))));
}

function keyInfo(key: KeyObject): Uint8Array {
  return key.export({ type: "spki", format: "der" });
}

function keyId(key: KeyObject): Uint8Array {
  return createHash("sha256").update(keyInfo(key)).digest().subarray(0, 20);
}

function positive(serial: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(serial);
  copy[0] = ((copy[0] ?? 0) & 0x7f) | 0x01;
  return copy;
}
