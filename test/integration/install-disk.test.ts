// The installer's disk, judged by the tools of others: partition table, file systems and boot sector of
// a disk image that our writer made on a plain file.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlockDevice, openBlockDevice } from "@drover/agent/node/block-device";
import { installDisk, layoutFor } from "@drover/agent/node/install-disk";
import { standardChunker } from "@drover/shared/chunk/chunk-index";
import { sha256, sha256Hex } from "@drover/shared/chunk/digest";
import { encodeIndex } from "@drover/shared/chunk/index-codec";
import { mebibyte, partitionOf } from "@drover/shared/disk/layout";
import { verityWriter } from "@drover/shared/disk/verity";
import { ImageId } from "@drover/shared/ids";
import { Manifest } from "@drover/shared/image/manifest";
import { DiskLayoutSizes } from "@drover/shared/site/procedure";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const diskGuid = "5f3c3e0e-6a52-4e3f-9a39-0a8a6f0c1d21";
const sizes = DiskLayoutSizes.parse({ espMiB: 64, bootMiB: 16, rootMiB: 16, siteMiB: 8 });
const diskBytes = 512 * mebibyte;

const noise = (blocks: number, tag: string): Uint8Array =>
  Buffer.concat(
    Array.from({ length: blocks * 1024 }, (_, i) =>
      createHash("sha512").update(`${tag}${i}`).digest(),
    ),
  );

const content = { root: noise(40, "root"), kernel: noise(3, "kernel"), initrd: noise(2, "initrd") };
const names = ["root", "kernel", "initrd"] as const;
const blockBytes = 64 * 1024;
const index = encodeIndex({
  chunker: standardChunker,
  artefacts: names.map((name) => ({
    name,
    entries: Array.from({ length: content[name].length / blockBytes }, (_, i) => ({
      id: sha256(content[name].subarray(i * blockBytes, (i + 1) * blockBytes)),
      lengthBytes: blockBytes,
    })),
  })),
}).index;

function manifest(): Manifest {
  const saltHex = "5a".repeat(32);
  const dataBlocks = content.root.length / 4096;
  const writer = verityWriter({ dataBlocks, saltHex, tree: { write() {} } });
  writer.feed(content.root);
  const none = "0".repeat(64);
  const artefacts = Object.fromEntries(
    names.map((name) => [
      name,
      { sizeBytes: content[name].length, sha256: sha256Hex(content[name]) },
    ]),
  );
  return Manifest.parse({
    v: 1,
    name: "lite",
    architecture: "amd64",
    bootModes: ["bios"],
    artefacts,
    verity: { rootHash: writer.finish(), saltHex, dataBlocks, blockBytes: 4096 },
    kernelArguments: ["quiet"],
    chunkIndexRoot: index.root,
    chunkIndexBytes: 1,
    lock: none,
    sbom: none,
    packages: none,
    provenance: none,
    probes: [],
    state: { reads: [1], writes: 1 },
    requires: {},
  });
}

function fakeLoader(): { bootImage: Uint8Array; coreImage: Uint8Array } {
  const bootImage = new Uint8Array(512);
  bootImage.set([0x55, 0xaa], 510);
  const coreImage = noise(1, "core").slice(0, 30_000);
  new DataView(coreImage.buffer).setUint16(0x1f4 + 10, 0x820, true);
  return { bootImage, coreImage };
}

let folder: string;
let path: string;
let device: BlockDevice;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "drover-install-"));
  path = join(folder, "disk");
  writeFileSync(path, "");
  truncateSync(path, diskBytes);
  device = openBlockDevice(path, { durable: false });
  const blob = noise(1, "program");
  await installDisk({
    device,
    diskGuid,
    sizes,
    slot: {
      imageId: ImageId.parse("e".repeat(64)),
      manifest: manifest(),
      index,
      fetchBytes: async (name, offset, length) =>
        content[name as keyof typeof content].subarray(offset, offset + length),
      forgetCached() {},
      onProgress() {},
      signal: new AbortController().signal,
    },
    programs: { shim: blob, keyManager: blob, grub: blob, grubNet: blob, ipxe: blob },
    bios: fakeLoader(),
    consoleArguments: ["console=ttyS0,115200n8"],
    siteFiles: new Map([["site-config.json", "{}"]]),
    stateFiles: new Map([["identity.json", '{"node":"n-abcd"}']]),
    onStep() {},
  });
});
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

/** A partition copied out, so that tools that want a file can judge it. */
function partition(name: "esp" | "boot-a" | "site" | "state"): string {
  const place = partitionOf(layoutFor(device, diskGuid, sizes), name);
  const out = join(folder, name);
  writeFileSync(out, device.read(place.offsetBytes, place.sizeBytes));
  return out;
}

describe("an installed disk", () => {
  it("has a partition table that others find without fault", () => {
    expect(execFileSync("sgdisk", ["-v", path], { encoding: "utf8" })).toMatch(/No problems found/);
    expect(() => execFileSync("sfdisk", ["--verify", path], { stdio: "pipe" })).not.toThrow();
  });

  it("has clean FAT file systems in esp, boot-a and site", () => {
    for (const name of ["esp", "boot-a", "site"] as const) {
      expect(
        () => execFileSync("fsck.vfat", ["-n", partition(name)], { stdio: "pipe" }),
        name,
      ).not.toThrow();
    }
  });

  it("has a clean ext4 state partition that holds the node's identity", () => {
    const state = partition("state");
    expect(() => execFileSync("e2fsck", ["-fn", state], { stdio: "pipe" })).not.toThrow();
    const found = execFileSync("debugfs", ["-R", "cat /identity.json", state], {
      stdio: "pipe",
      encoding: "utf8",
    });
    expect(found).toBe('{"node":"n-abcd"}');
  });

  it("boots by BIOS: first sector signed, core image at the start of its partition", () => {
    const head = readFileSync(path).subarray(0, 512);
    expect(head.readUInt16LE(510)).toBe(0xaa55);
    expect(head.readBigUInt64LE(0x5c)).toBe(2048n);
    expect(Buffer.from(device.read(mebibyte, 16))).toEqual(
      Buffer.from(fakeLoader().coreImage.subarray(0, 16)),
    );
  });
});
