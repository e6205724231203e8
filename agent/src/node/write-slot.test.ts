// The slot writer on a plain file that stands for a disk.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChunkIndex, standardChunker } from "@drover/shared/chunk/chunk-index";
import { sha256, sha256Hex } from "@drover/shared/chunk/digest";
import { encodeIndex } from "@drover/shared/chunk/index-codec";
import { mebibyte, planLayout } from "@drover/shared/disk/layout";
import { verityWriter } from "@drover/shared/disk/verity";
import { ImageId, Sha256 } from "@drover/shared/ids";
import { Manifest } from "@drover/shared/image/manifest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BlockDevice, openBlockDevice } from "./block-device.ts";
import { readSlotConfig } from "./boot-slot.ts";
import { slotSeed, writeSlot } from "./write-slot.ts";

const blockBytes = 64 * 1024;
const files = (seed: number) => {
  const fill = (count: number, tag: number): Uint8Array =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        createHash("sha512").update(`${tag}:${i}`).digest(),
      ).flatMap((digest) => Array.from({ length: blockBytes / 64 }, () => digest)),
    );
  // The last two blocks of the root differ between images, kernel and the other blocks do not.
  const root = Buffer.concat([fill(30, 1), fill(2, seed)]);
  return { root, kernel: fill(3, 2), initrd: fill(2, seed + 100) };
};
type Files = ReturnType<typeof files>;

function indexOf(image: Files): ChunkIndex {
  const artefacts = (["root", "kernel", "initrd"] as const).map((name) => ({
    name,
    entries: Array.from({ length: image[name].length / blockBytes }, (_, i) => ({
      id: sha256(image[name].subarray(i * blockBytes, (i + 1) * blockBytes)),
      lengthBytes: blockBytes,
    })),
  }));
  return encodeIndex({ chunker: standardChunker, artefacts }).index;
}

function manifestOf(image: Files, index: ChunkIndex): Manifest {
  const saltHex = "ab".repeat(32);
  const dataBlocks = image.root.length / 4096;
  const writer = verityWriter({ dataBlocks, saltHex, tree: { write() {} } });
  writer.feed(image.root);
  const digest = Sha256.parse("0".repeat(64));
  const artefact = (bytes: Uint8Array) => ({
    sizeBytes: bytes.length,
    sha256: Sha256.parse(sha256Hex(bytes)),
  });
  return Manifest.parse({
    v: 1,
    name: "lite",
    architecture: "amd64",
    bootModes: ["bios"],
    artefacts: {
      root: artefact(image.root),
      kernel: artefact(image.kernel),
      initrd: artefact(image.initrd),
    },
    verity: { rootHash: writer.finish(), saltHex, dataBlocks, blockBytes: 4096 },
    kernelArguments: ["quiet"],
    chunkIndexRoot: index.root,
    chunkIndexBytes: 1,
    lock: digest,
    sbom: digest,
    packages: digest,
    provenance: digest,
    probes: [],
    state: { reads: [1], writes: 1 },
    requires: {},
  });
}

let folder: string;
let device: BlockDevice;
const parts = planLayout({
  diskBytes: 96 * mebibyte,
  sectorBytes: 512,
  diskGuid: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  architecture: "amd64",
  sizes: {
    espBytes: 4 * mebibyte,
    bootBytes: 8 * mebibyte,
    rootBytes: 8 * mebibyte,
    siteBytes: 4 * mebibyte,
    stateMinBytes: mebibyte,
  },
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-slot-"));
  const path = join(folder, "disk");
  writeFileSync(path, "");
  truncateSync(path, 96 * mebibyte);
  device = openBlockDevice(path, { durable: false });
});
afterEach(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

function request(
  image: Files,
  slot: "a" | "b",
  more: Partial<Parameters<typeof writeSlot>[0]> = {},
): Parameters<typeof writeSlot>[0] {
  const index = indexOf(image);
  const manifest = manifestOf(image, index);
  return {
    device,
    parts,
    slot,
    index,
    manifest,
    imageId: ImageId.parse("d".repeat(64)),
    seeds: [],
    fetchBytes: async (name, offset, length) =>
      image[name as keyof Files].subarray(offset, offset + length),
    forgetCached() {},
    onProgress() {},
    signal: new AbortController().signal,
    ...more,
  };
}

describe("writing a slot", () => {
  it("fetches everything for an empty disk and leaves a slot that names its image", async () => {
    const image = files(7);
    const written = await writeSlot(request(image, "a"));
    expect(written.tally).toEqual({ keptBytes: 0, copiedBytes: 0, fetchedBytes: 37 * blockBytes });
    const boot = parts.partitions.find((each) => each.name === "boot-a");
    expect(boot && readSlotConfig(device, boot)).toMatchObject({
      imageId: "d".repeat(64),
      verityRootHash: written.verityRoot,
    });
  });

  it("copies what the booted slot has and fetches only what it lacks", async () => {
    await writeSlot(request(files(7), "a"));
    const seeds = [slotSeed(device, parts, "a", indexOf(files(7)))];
    const written = await writeSlot(request(files(8), "b", { seeds }));
    expect(written.tally).toEqual({
      keptBytes: 0,
      copiedBytes: 33 * blockBytes,
      fetchedBytes: 4 * blockBytes,
    });
  });

  it("does not write again what is already right", async () => {
    await writeSlot(request(files(7), "a"));
    const again = await writeSlot(request(files(8), "a"));
    expect(again.tally).toMatchObject({ keptBytes: 30 * blockBytes });
  });

  it("goes round a seed that is not what its index says", async () => {
    await writeSlot(request(files(7), "a"));
    const root = parts.partitions.find((each) => each.name === "root-a");
    device.write(root?.offsetBytes ?? 0, new Uint8Array(blockBytes));
    const seeds = [slotSeed(device, parts, "a", indexOf(files(7)))];
    const written = await writeSlot(request(files(8), "b", { seeds }));
    expect(written.tally.fetchedBytes).toBe(5 * blockBytes);
  });

  it("refuses a flipped bit from the site and leaves no bootable slot behind", async () => {
    const image = files(7);
    await writeSlot(request(image, "a"));
    const fetchBytes = async (name: string, offset: number, length: number) => {
      const bytes = Uint8Array.from(
        files(9)[name as keyof Files].subarray(offset, offset + length),
      );
      bytes[length - 1] = (bytes[length - 1] ?? 0) ^ 1;
      return bytes;
    };
    await expect(writeSlot(request(files(9), "a", { fetchBytes }))).rejects.toMatchObject({
      code: "slot-write-failed",
    });
    const boot = parts.partitions.find((each) => each.name === "boot-a");
    expect(boot && readSlotConfig(device, boot)).toBeUndefined();
  });

  it("refuses an index the manifest does not bind, before anything is written", async () => {
    await writeSlot(request(files(7), "a"));
    await expect(writeSlot(request(files(8), "a", { index: indexOf(files(9)) }))).rejects.toThrow(
      /not the one the manifest binds/,
    );
    const boot = parts.partitions.find((each) => each.name === "boot-a");
    expect(boot && readSlotConfig(device, boot)).toBeDefined();
  });
});
