// From a built image to content anyone can fetch: chunk index, packs, deltas from images at hand and
// the manifest, all below one folder with the layout of content URLs. The image id is known at the end.
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { decodeIndex, type EncodedIndex, parseIndexHeader } from "@drover/shared/chunk/index-codec";
import { parsePackTable } from "@drover/shared/chunk/pack-table";
import { FleetError } from "@drover/shared/errors";
import type { ImageId, Sha256 } from "@drover/shared/ids";
import type { Manifest } from "@drover/shared/image/manifest";
import { type BuiltImage, finishManifest, imageFiles } from "./build/build-image.ts";
import { writeWhole } from "./build/cache-folder.ts";
import type { ArtefactFile } from "./distribution/artefact-files.ts";
import { folderSink } from "./distribution/content-sink.ts";
import { makeDelta } from "./distribution/make-delta.ts";
import { makeIndex, publishIndex } from "./distribution/make-index.ts";
import { makePacks, type PackedImage } from "./distribution/make-packs.ts";

/** An image asked for as a base is not in the cache any more, or is damaged there. */
export class KeptImageError extends FleetError {
  readonly code = "kept-image-unusable";
}

/** Names of the papers kept beside the artefacts of an image in the cache. */
const kept = { header: "index", page: "index-page", table: "pack-table" } as const;

export interface DistributeOptions {
  /** Folder of the finished build; it is moved into the cache. */
  readonly builtFolder: string;
  readonly built: BuiltImage;
  readonly cacheFolder: string;
  /** Gets `content/` and `pointer/`. */
  readonly outFolder: string;
  /** Images whose packs the centre already has: packs are reused, deltas are made from them. */
  readonly earlier: readonly ImageId[];
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export interface DistributedImage {
  readonly imageId: ImageId;
  readonly manifest: Manifest;
  readonly manifestBytes: number;
  readonly packBytes: number;
  readonly deltas: readonly { readonly from: ImageId; readonly sizeBytes: number }[];
}

interface KeptImage extends PackedImage {
  readonly imageId: ImageId;
  readonly artefacts: readonly ArtefactFile[];
}

const artefactsIn = (folder: string): ArtefactFile[] => [
  { name: "root", path: join(folder, imageFiles.root) },
  { name: "kernel", path: join(folder, imageFiles.kernel) },
  { name: "initrd", path: join(folder, imageFiles.initrd) },
];

const keptFolder = (cacheFolder: string, imageId: string): string =>
  join(cacheFolder, "images", imageId);

async function openKept(cacheFolder: string, imageId: ImageId): Promise<KeptImage> {
  const folder = keptFolder(cacheFolder, imageId);
  try {
    const header = parseIndexHeader(await readFile(join(folder, kept.header)));
    const pages = await Promise.all(
      header.pageDigests.map((_, at) => readFile(join(folder, `${kept.page}-${at}`))),
    );
    const index = decodeIndex(header, pages);
    const table = parsePackTable(await readFile(join(folder, kept.table)));
    return { imageId, index, table, artefacts: artefactsIn(folder) };
  } catch (cause) {
    throw new KeptImageError(`image ${imageId} cannot be used as a base`, { cause });
  }
}

/** Images that are still in the cache; one that was cleaned away only costs a delta. */
async function openEarlier(options: DistributeOptions): Promise<KeptImage[]> {
  const found: KeptImage[] = [];
  for (const imageId of options.earlier) {
    try {
      found.push(await openKept(options.cacheFolder, imageId));
    } catch (error) {
      if (!(error instanceof KeptImageError)) throw error;
      options.onProgress(`${error.message}: no delta is made from it`);
    }
  }
  return found;
}

async function keep(
  options: DistributeOptions,
  encoded: EncodedIndex,
  table: Uint8Array,
  imageId: string,
): Promise<void> {
  const folder = keptFolder(options.cacheFolder, imageId);
  const { builtFolder } = options;
  await writeWhole(join(builtFolder, kept.header), encoded.header);
  for (const [at, page] of encoded.pages.entries())
    await writeWhole(join(builtFolder, `${kept.page}-${at}`), page);
  await writeWhole(join(builtFolder, kept.table), table);
  await mkdir(join(options.cacheFolder, "images"), { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await rename(builtFolder, folder);
}

async function publishPapers(options: DistributeOptions): Promise<void> {
  const { parts, files } = options.built;
  const sink = folderSink(options.outFolder);
  const papers: [Sha256, string][] = [
    [parts.lock, files.lock],
    [parts.sbom, files.sbom],
    [parts.packages, files.packages],
    [parts.provenance, files.provenance],
  ];
  for (const [digest, path] of papers) await sink.putFile({ kind: "file", digest }, path);
}

/** Percent of a pass, for people. */
const percent = (done: number, total: number): string =>
  `${Math.floor((100 * done) / Math.max(1, total))} %`;

/** Makes everything and moves the build into the cache, so that later images can be cut against it. */
export async function distributeImage(options: DistributeOptions): Promise<DistributedImage> {
  const { outFolder, signal, onProgress, builtFolder } = options;
  const sink = folderSink(outFolder);
  const scratchFolder = join(outFolder, "scratch");
  await mkdir(scratchFolder, { recursive: true });
  const artefacts = artefactsIn(builtFolder);
  const telling = (what: string) => ({
    signal,
    onProgress: ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }) =>
      onProgress(`${what}: ${percent(doneBytes, totalBytes)}`),
  });
  const encoded = await makeIndex({ artefacts, ...telling("cutting into chunks") });
  await publishIndex(encoded, sink);
  const earlier = await openEarlier(options);
  const packed = await makePacks({
    index: encoded.index,
    artefacts,
    sink,
    scratchFolder,
    earlier,
    ...telling("packing"),
  });
  const deltas: { from: ImageId; sizeBytes: number }[] = [];
  for (const base of earlier) {
    const delta = await makeDelta({
      base: base.index,
      baseArtefacts: base.artefacts,
      next: encoded,
      nextArtefacts: artefacts,
      sink,
      scratchFolder,
      ...telling(`delta from ${base.imageId.slice(0, 8)}`),
    });
    deltas.push({ from: base.imageId, sizeBytes: delta.sizeBytes });
  }
  await publishPapers(options);
  const done = finishManifest(options.built.parts, {
    indexRoot: encoded.index.root as Sha256,
    indexBytes: encoded.header.length,
  });
  // The manifest goes last: an image that can be found is complete.
  await sink.putBytes(
    { kind: "manifest", digest: done.imageId },
    new TextEncoder().encode(done.text),
  );
  const table = await readFile(join(outFolder, "content", "pack-table", packed.tableDigest));
  await rm(scratchFolder, { recursive: true });
  await keep(options, encoded, table, done.imageId);
  return {
    imageId: done.imageId as string as ImageId,
    manifest: done.manifest,
    manifestBytes: new TextEncoder().encode(done.text).length,
    packBytes: packed.newBytes,
    deltas,
  };
}
