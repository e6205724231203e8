// The development key set: complete, private, stable over restarts, and signed so that a site accepts it.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChannelName } from "@drover/shared/ids";
import { openDocument, payloadTypes } from "@drover/shared/trust/dsse";
import {
  makeReleaseMetadata,
  trustFirstRoot,
  trustReleases,
} from "@drover/shared/trust/release-metadata";
import { TrustFile } from "@drover/shared/trust/trust-file";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openFleetKeys, releaseSigner } from "./init-keys.ts";

const now = Date.UTC(2026, 10, 21);
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("A second opening finds the same keys.", () => {
  const first = openFleetKeys(folder, now);
  const second = openFleetKeys(folder, now + 1);
  expect(first.made).toBe(true);
  expect(second.made).toBe(false);
  expect(second.fleet.keyid).toBe(first.fleet.keyid);
  expect(second.rootText).toBe(first.rootText);
});

test("Every key file is readable by its owner alone.", () => {
  openFleetKeys(folder, now);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  expect(files.length).toBe(9);
  for (const entry of files) {
    expect(statSync(join(entry.parentPath, entry.name)).mode & 0o777).toBe(0o600);
  }
});

test("A damaged key file is named and nothing is replaced.", async () => {
  openFleetKeys(folder, now);
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(folder, "fleet.json"), "{");
  expect(() => openFleetKeys(folder, now)).toThrow(/fleet\.json is damaged/);
});

test("A site that trusts the root accepts its trust file and the dev channel's metadata.", () => {
  const keys = openFleetKeys(folder, now);
  const root = trustFirstRoot(keys.rootText);
  const role = root.role("root");
  if (!role) throw new Error("no root role");
  const trust = openDocument(keys.trustFile, {
    payloadType: payloadTypes.trustFile,
    roles: [role],
    schema: TrustFile,
  });
  expect(trust.acceptedChannels).toEqual(["dev", "candidate", "stable"]);
  const dev = ChannelName.parse("dev");
  const text = makeReleaseMetadata({ version: 1, expiresAt: now + 1000, releases: [] }, [
    releaseSigner(folder, dev),
  ]);
  expect(trustReleases(root, dev, text, 1).version).toBe(1);
});
