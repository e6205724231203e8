// A site knows its centre by the fingerprint of the authority: shown in the chain it is taken, anything
// else is refused before a single request is sent.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { fetchAuthority } from "@drover/agent/site/pinned-authority";
import { openTlsAuthority } from "@drover/server/embedded/tls-authority";
import { Sha256 } from "@drover/shared/ids";
import { afterAll, expect, test } from "vitest";

const scratch = mkdtempSync(join(tmpdir(), "agent-authority-"));
const folder = join(scratch, "tls");
mkdirSync(folder, { mode: 0o700 });
const tls = openTlsAuthority({ folder, names: [], now: Date.now() });
const leaf = readFileSync(tls.certificateFile, "utf8");
const key = readFileSync(tls.keyFile, "utf8");
const fingerprint = Sha256.parse(tls.fingerprint);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function withServer(cert: string, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer({ cert, key });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
}

test("An authority shown in the chain is taken by its fingerprint.", async () => {
  await withServer(`${leaf}\n${tls.authorityPem}`, async (url) => {
    const pem = await fetchAuthority(url, fingerprint);
    expect(pem.replaceAll(/\s/g, "")).toBe(tls.authorityPem.replaceAll(/\s/g, ""));
  });
});

test("Another authority, or none in the chain, is refused.", async () => {
  await withServer(`${leaf}\n${tls.authorityPem}`, async (url) => {
    const other = Sha256.parse("0".repeat(64));
    await expect(fetchAuthority(url, other)).rejects.toThrow(
      "did not show the certificate authority",
    );
  });
  await withServer(leaf, async (url) => {
    await expect(fetchAuthority(url, fingerprint)).rejects.toThrow("did not show");
  });
});
