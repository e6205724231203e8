// Fetches the centre's certificate authority by its fingerprint: the one unverified TLS handshake there
// is. Nothing but certificates is read from it; every later connection verifies against the authority.
import { createHash } from "node:crypto";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { FleetError } from "@drover/shared/errors";
import type { Sha256 } from "@drover/shared/ids";

export class AuthorityError extends FleetError {
  readonly code = "centre-authority-unknown";
}

const chainMax = 8;

/** PEM of the authority whose DER has the SHA-256 `fingerprint`; the centre must send it in its chain. */
export async function fetchAuthority(
  url: string,
  fingerprint: Sha256,
  timeoutMs = 15_000,
): Promise<string> {
  const { hostname, port } = new URL(url);
  const leaf = await peerCertificate(
    hostname.replace(/^\[|\]$/g, ""),
    Number(port || 443),
    timeoutMs,
  );
  let current: DetailedPeerCertificate | undefined = leaf;
  for (let depth = 0; current?.raw && depth < chainMax; depth += 1) {
    if (createHash("sha256").update(current.raw).digest("hex") === fingerprint)
      return toPem(current.raw);
    if (current.issuerCertificate === current) break;
    current = current.issuerCertificate;
  }
  throw new AuthorityError(
    `the server at ${url} did not show the certificate authority named by the enrolment string`,
  );
}

function peerCertificate(
  host: string,
  port: number,
  timeoutMs: number,
): Promise<DetailedPeerCertificate> {
  return new Promise((resolve, reject) => {
    // Verification is replaced by the fingerprint above; no request is sent on this connection.
    const socket = connect({ host, port, servername: serverName(host), rejectUnauthorized: false });
    const fail = (cause: unknown): void => {
      socket.destroy();
      reject(new AuthorityError(`connecting to ${host}:${port} failed`, { cause }));
    };
    socket.setTimeout(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      resolve(socket.getPeerCertificate(true));
      socket.destroy();
    });
  });
}

/** TLS forbids addresses as server names (RFC 6066 §3). */
export function serverName(host: string): string {
  return /^[0-9.]+$|:/.test(host) ? "" : host;
}

function toPem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
