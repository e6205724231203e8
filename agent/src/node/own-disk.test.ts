// Finding the disk a node was started from, among empty, foreign and copied ones.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeGpt } from "@drover/shared/disk/gpt";
import { mebibyte, planLayout } from "@drover/shared/disk/layout";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBlockDevice } from "./block-device.ts";
import { OwnDiskError, openOwnDisk } from "./own-disk.ts";

const wanted = "5f3c3e0e-6a52-4e3f-9a39-0a8a6f0c1d21";
const other = "0b9f7a52-3c1d-4e0b-8f7a-6d5c4b3a2910";
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-own-disk-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function disk(name: string, diskGuid: string | undefined): string {
  const path = join(folder, name);
  const diskBytes = 400 * mebibyte;
  writeFileSync(path, "");
  truncateSync(path, diskBytes);
  if (diskGuid === undefined) return path;
  const small = 16 * mebibyte;
  const sizes = { espBytes: small, bootBytes: small, rootBytes: small, siteBytes: small };
  const device = openBlockDevice(path, { durable: false });
  const { head, tail } = encodeGpt(
    planLayout({ diskBytes, sectorBytes: 512, diskGuid, architecture: "amd64", sizes }),
  );
  for (const { offsetBytes, bytes } of [head, tail]) device.write(offsetBytes, bytes);
  device.close();
  return path;
}

describe("the disk of a node", () => {
  it("is found by its GUID, on whatever connector it is", () => {
    const paths = [disk("empty", undefined), disk("other", other), disk("own", wanted)];
    const { device, gpt } = openOwnDisk(wanted.toUpperCase(), paths);
    expect(device.path).toBe(paths[2]);
    expect(gpt.partitions.map(({ name }) => name)).toContain("root-b");
    device.close();
  });

  it("is never guessed: none and two of it are errors", () => {
    const paths = [disk("one", wanted), disk("copy", wanted)];
    expect(() => openOwnDisk(wanted, paths)).toThrow(OwnDiskError);
    expect(() => openOwnDisk(other, paths)).toThrow(/no disk has GUID/);
  });
});
