// The control plane's own certificate authority: made once, kept for ten years, and a server
// certificate that is renewed long before it ends. Sites pin the authority's fingerprint.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { makeCertificate, toPem } from "./certificate.ts";
import { EmbeddedError } from "./errors.ts";

const dayMs = 86_400_000;
const authorityLifeMs = 3653 * dayMs;
const serverLifeMs = 397 * dayMs;
/** A server certificate with less than this left is replaced. */
const renewBeforeMs = 90 * dayMs;
/** Clocks of sites may be behind ours. */
const backdateMs = dayMs;

export interface TlsAuthority {
  readonly authorityFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** PEM of the authority, handed to sites at enrolment. */
  readonly authorityPem: string;
  /** SHA-256 of the authority's DER in lower-case hex: what an enrolment string pins. */
  readonly fingerprint: string;
  /** Epoch ms from which `openTlsAuthority` makes a fresh server certificate. */
  readonly renewAt: number;
}

export interface TlsAuthorityOptions {
  /** The `tls` part of the data folder. */
  readonly folder: string;
  /** Further names and addresses of this server; localhost and 127.0.0.1 are always there. */
  readonly names: readonly string[];
  /** Epoch ms. */
  readonly now: number;
}

/**
 * Opens or makes the authority, and renews the server certificate when it is missing, near its end, or
 * lacks a name. Every file has mode 0600.
 * @throws EmbeddedError `tls-authority-broken`
 */
export function openTlsAuthority(options: TlsAuthorityOptions): TlsAuthority {
  const authority = openAuthority(options);
  const names = [...new Set(["localhost", "127.0.0.1", "::1", ...options.names])];
  const server = openServer(options, authority, names);
  const at = (file: string): string => join(options.folder, file);
  return {
    authorityFile: at("authority.crt"),
    certificateFile: at("server.crt"),
    keyFile: at("server.key"),
    authorityPem: authority.certificate.toString(),
    fingerprint: createHash("sha256").update(authority.certificate.raw).digest("hex"),
    renewAt: Date.parse(server.validTo) - renewBeforeMs,
  };
}

interface Authority {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
}

const authorityName = "Drover control plane authority";

function openAuthority({ folder, now }: TlsAuthorityOptions): Authority {
  const certificateFile = join(folder, "authority.crt");
  const keyFile = join(folder, "authority.key");
  if (existsSync(certificateFile)) return readAuthority(certificateFile, keyFile, now);
  // Without its certificate a key has signed nothing: this start was cut short before.
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = makeCertificate({
    subject: authorityName,
    issuer: authorityName,
    publicKey,
    issuerPublicKey: publicKey,
    issuerPrivateKey: privateKey,
    serial: randomBytes(16),
    validFrom: now - backdateMs,
    validUntil: now + authorityLifeMs,
    role: { kind: "authority" },
  });
  writeWhole(keyFile, keyText(privateKey));
  writeWhole(certificateFile, toPem(der));
  return { certificate: new X509Certificate(der), privateKey };
}

function readAuthority(certificateFile: string, keyFile: string, now: number): Authority {
  const authority = readPair(certificateFile, keyFile);
  if (authority === undefined) {
    const sentence = `the certificate authority in ${certificateFile} can't be read or doesn't fit its key; restore it from a backup, sites trust no other`;
    throw new EmbeddedError("tls-authority-broken", sentence);
  }
  if (Date.parse(authority.certificate.validTo) <= now) {
    const sentence = `the certificate authority in ${certificateFile} ended on ${authority.certificate.validTo}`;
    throw new EmbeddedError("tls-authority-broken", sentence);
  }
  return authority;
}

function openServer(
  { folder, now }: TlsAuthorityOptions,
  authority: Authority,
  names: readonly string[],
): X509Certificate {
  const certificateFile = join(folder, "server.crt");
  const keyFile = join(folder, "server.key");
  const kept = readPair(certificateFile, keyFile);
  if (kept !== undefined && isUsable(kept.certificate, authority, names, now)) {
    return kept.certificate;
  }
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = makeCertificate({
    subject: names.find((name) => isIP(name) === 0 && name !== "localhost") ?? "localhost",
    issuer: authorityName,
    publicKey,
    issuerPublicKey: createPublicKey(authority.privateKey),
    issuerPrivateKey: authority.privateKey,
    serial: randomBytes(16),
    validFrom: now - backdateMs,
    validUntil: Math.min(now + serverLifeMs, Date.parse(authority.certificate.validTo)),
    role: { kind: "server", names },
  });
  writeWhole(keyFile, keyText(privateKey));
  writeWhole(certificateFile, toPem(der));
  return new X509Certificate(der);
}

function isUsable(
  certificate: X509Certificate,
  authority: Authority,
  names: readonly string[],
  now: number,
): boolean {
  const covers = (name: string): boolean =>
    (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
  return (
    certificate.verify(createPublicKey(authority.privateKey)) &&
    Date.parse(certificate.validTo) - renewBeforeMs > now &&
    Date.parse(certificate.validFrom) <= now &&
    names.every(covers)
  );
}

/** Undefined when a file is missing, damaged, or the two don't belong together. */
function readPair(certificateFile: string, keyFile: string): Authority | undefined {
  if (!existsSync(certificateFile) || !existsSync(keyFile)) return undefined;
  try {
    const certificate = new X509Certificate(readFileSync(certificateFile));
    const privateKey = createPrivateKey(readFileSync(keyFile));
    return certificate.checkPrivateKey(privateKey) ? { certificate, privateKey } : undefined;
  } catch {
    return undefined; // the callers decide: an authority is refused, a server certificate renewed
  }
}

function keyText(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}
