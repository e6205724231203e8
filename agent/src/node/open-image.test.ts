// An image is what its id says or it is refused: a changed manifest, an index that the manifest does not
// bind, a page with another byte, an artefact without a place.
import { standardChunker } from "@drover/shared/chunk/chunk-index";
import { sha256 } from "@drover/shared/chunk/digest";
import { encodeIndex } from "@drover/shared/chunk/index-codec";
import { ImageId } from "@drover/shared/ids";
import { Manifest, manifestText } from "@drover/shared/image/manifest";
import { sha256Hex } from "@drover/shared/trust/digest";
import { describe, expect, it } from "vitest";
import { openImage, readIndexFile } from "./open-image.ts";
import type { ImageSite } from "./site-ports.ts";

const names = ["root", "kernel", "initrd"] as const;
const encoded = encodeIndex({
  chunker: standardChunker,
  artefacts: names.map((name) => ({
    name,
    entries: [{ id: sha256(Buffer.from(name)), lengthBytes: 65_536 }],
  })),
  entriesPerPage: 2,
});
const indexFile = Buffer.concat([encoded.header, ...encoded.pages]);
const digest = "12".repeat(32);
const artefact = { sizeBytes: 65_536, sha256: digest };
const text = manifestText(
  Manifest.parse({
    ...{ v: 1, name: "lite", architecture: "amd64", bootModes: ["bios"], kernelArguments: [] },
    artefacts: { root: artefact, kernel: artefact, initrd: artefact },
    verity: { rootHash: digest, saltHex: digest, dataBlocks: 16, blockBytes: 4096 },
    ...{ chunkIndexRoot: encoded.index.root, chunkIndexBytes: indexFile.length },
    ...{ lock: digest, sbom: digest, packages: digest, provenance: digest },
    ...{ probes: [], state: { reads: [1], writes: 1 }, requires: {} },
  }),
);
const imageId = ImageId.parse(sha256Hex(text));
const { signal } = new AbortController();

function siteWith(manifest: Uint8Array, index: Uint8Array): ImageSite {
  return {
    imageFile: async (_, name) => (name === "manifest" ? manifest : index),
    imageRange: async (_, name, offset, lengthBytes) =>
      Buffer.from(`${name} ${offset}+${lengthBytes}`),
  };
}

const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

describe("an image from the site", () => {
  it("is opened when everything verifies down from its id", async () => {
    const image = await openImage(siteWith(Buffer.from(text), indexFile), imageId, signal);
    expect(image.index.count).toBe(3);
    expect(Buffer.from(await image.fetchBytes("root", 4, 5)).toString()).toBe("root 4+5");
  });

  it("is refused when any byte of its manifest or index differs", async () => {
    const manifest = Buffer.from(text);
    for (let at = 0; at < manifest.length; at += 41)
      await expect(
        openImage(siteWith(flip(manifest, at), indexFile), imageId, signal),
      ).rejects.toThrow();
    for (let at = 0; at < indexFile.length; at += 1)
      expect(() => readIndexFile(encoded.index.root, flip(indexFile, at)), String(at)).toThrow();
  });

  it("is refused when its index is cut short or has something behind it", () => {
    const { root } = encoded.index;
    for (const bytes of [
      indexFile.subarray(0, 8),
      indexFile.subarray(0, indexFile.length - 1),
      Buffer.concat([indexFile, Buffer.from([0])]),
    ])
      expect(() => readIndexFile(root, bytes)).toThrow();
  });
});
