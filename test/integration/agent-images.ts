// Small real images with index, packs and delta in a content folder, for tests of the agent's cache.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ArtefactFile } from "@drover/images/distribution/artefact-files";
import { folderSink } from "@drover/images/distribution/content-sink";
import { makeDelta } from "@drover/images/distribution/make-delta";
import { makeIndex, publishIndex } from "@drover/images/distribution/make-index";
import { makePacks } from "@drover/images/distribution/make-packs";
import type { EncodedIndex } from "@drover/shared/chunk/index-codec";
import type { ImageId } from "@drover/shared/ids";
import { Manifest, manifestText } from "@drover/shared/image/manifest";
import { seededRandom } from "@drover/shared/random";
import { sha256Hex } from "@drover/shared/trust/digest";

export interface MadeImage {
  readonly imageId: ImageId;
  readonly manifest: Manifest;
  readonly manifestBytes: number;
  readonly encoded: EncodedIndex;
  readonly artefacts: readonly ArtefactFile[];
}

/** Noise that zstd cannot squeeze away, the same for the same seed. */
export function noise(seed: number, sizeBytes: number): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4) bytes.writeUInt32LE(random.integer(2 ** 32), at);
  return bytes;
}

/** Makes an image of the given root and puts everything a site may fetch below `store`. */
export async function makeImage(
  folder: string,
  store: string,
  root: Buffer,
  base?: MadeImage,
): Promise<MadeImage> {
  const home = join(folder, sha256Hex(root).slice(0, 12));
  await mkdir(home, { recursive: true });
  const files = { root, kernel: noise(1, 90_000), initrd: noise(2, 120_000) };
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(home, name), bytes);
  const artefacts = Object.keys(files).map((name) => ({ name, path: join(home, name) }));
  const encoded = await makeIndex({ artefacts });
  const sink = folderSink(store);
  await publishIndex(encoded, sink);
  await makePacks({ index: encoded.index, artefacts, sink, scratchFolder: folder });
  if (base)
    await makeDelta({
      base: base.encoded.index,
      baseArtefacts: base.artefacts,
      next: encoded,
      nextArtefacts: artefacts,
      sink,
      scratchFolder: folder,
    });
  const manifest = manifestOf(files, encoded);
  const text = manifestText(manifest);
  const imageId = sha256Hex(text) as ImageId;
  await sink.putBytes({ kind: "manifest", digest: imageId }, Buffer.from(text));
  return { imageId, manifest, manifestBytes: text.length, encoded, artefacts };
}

function manifestOf(
  files: Readonly<Record<"root" | "kernel" | "initrd", Buffer>>,
  encoded: EncodedIndex,
): Manifest {
  const artefact = (bytes: Buffer) => ({ sizeBytes: bytes.length, sha256: sha256Hex(bytes) });
  const none = sha256Hex("");
  return Manifest.parse({
    v: 1,
    name: "lite",
    architecture: "amd64",
    bootModes: ["bios", "uefi"],
    artefacts: {
      root: artefact(files.root),
      kernel: artefact(files.kernel),
      initrd: artefact(files.initrd),
    },
    verity: {
      rootHash: sha256Hex(files.root),
      saltHex: "0".repeat(64),
      dataBlocks: Math.ceil(files.root.length / 4096),
      blockBytes: 4096,
    },
    kernelArguments: [],
    chunkIndexRoot: encoded.index.root,
    chunkIndexBytes: encoded.header.length,
    lock: none,
    sbom: none,
    packages: none,
    provenance: none,
    probes: [],
    state: { reads: [0], writes: 0 },
    requires: {},
  });
}

/** Bytes of an object or pointer below a content folder, or undefined. */
export async function contentAt(store: string, path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(join(store, path));
  } catch {
    return undefined;
  }
}
