// The JWTs of the bus: who signs whom, and that sites can't be given more than the template.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sitePermissions } from "@drover/shared/subjects";
import { generateNkey } from "@drover/shared/trust/nkey";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fleetAccountJwt, openBusKeys, siteJwt } from "./bus-keys.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-bus-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function claims(jwt: string): Record<string, unknown> & { nats: Record<string, unknown> } {
  return JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
}

test("Opening twice gives the same keys in files of mode 0600.", () => {
  const first = openBusKeys(folder);
  const second = openBusKeys(folder);
  expect(second.account.public).toBe(first.account.public);
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  }
});

test("A site's JWT carries no permissions of its own and is signed by the scoped key.", () => {
  const keys = openBusKeys(folder);
  const nkey = generateNkey("user").public;
  const jwt = siteJwt(keys, { site: "s-aaaa", nkey, issuedAt: 1_000_000, expiresAt: 2_000_000 });
  const read = claims(jwt);
  expect(read).toMatchObject({ iss: keys.siteSigner.public, name: "s-aaaa", sub: nkey, exp: 2000 });
  expect(read.nats).toEqual({ type: "user", version: 2, issuer_account: keys.account.public });
});

test("The fleet account's JWT names the scoped template and every revocation.", () => {
  const keys = openBusKeys(folder);
  const read = claims(fleetAccountJwt(keys, { UAAA: 7 }, 1_000_000));
  expect(read["iss"]).toBe(keys.operator.public);
  expect(read.nats["revocations"]).toEqual({ UAAA: 7 });
  expect(read.nats["signing_keys"]).toMatchObject([
    { key: keys.siteSigner.public, template: sitePermissions },
  ]);
});
