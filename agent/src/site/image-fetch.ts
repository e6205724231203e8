// Brings one image to the site: manifest first, then the cheapest way to its bytes (delta from an image
// at hand, else missing chunks from packs). Every chunk is verified; whatever is right is never fetched again.
import { constants as zlibConstants, zstdDecompressSync } from "node:zlib";
import { type ApplyPlan, planFromDelta, planFromPacks } from "@drover/shared/chunk/apply-plan";
import { type ApplyPorts, applyPlan } from "@drover/shared/chunk/apply-run";
import { type ChunkIndex, indexLimits } from "@drover/shared/chunk/chunk-index";
import { deltaPointerPath, packTablePointerPath } from "@drover/shared/chunk/content-layout";
import { type Delta, deltaLimits } from "@drover/shared/chunk/delta";
import {
  parseDeltaHeader,
  parseDeltaPrefix,
  verifyDeltaHeaderFrame,
} from "@drover/shared/chunk/delta-codec";
import { ChunkDigestError, ChunkFormatError } from "@drover/shared/chunk/errors";
import { requestGapBytes } from "@drover/shared/chunk/fetch-ranges";
import { decodeIndex, parseIndexHeader } from "@drover/shared/chunk/index-codec";
import { type PackTable, parsePackTable } from "@drover/shared/chunk/pack-table";
import { FleetError } from "@drover/shared/errors";
import type { ImageId } from "@drover/shared/ids";
import { Manifest, manifestBytesMax } from "@drover/shared/image/manifest";
import type { ContentSource } from "./content-source.ts";

export class ImageFetchError extends FleetError {
  readonly code = "image-fetch-failed";
}

const packTableBytesMax = 64 * 1024 * 1024;

/** The manifest an image id names. */
export async function fetchManifest(source: ContentSource, imageId: ImageId): Promise<Manifest> {
  const bytes = await source.object({ kind: "manifest", digest: imageId }, manifestBytesMax);
  const parsed = Manifest.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (!parsed.success)
    throw new ImageFetchError(`the manifest ${imageId} is signed but cannot be read`, {
      cause: parsed.error,
    });
  return parsed.data;
}

/** An index over the wire, for images that no delta leads to. */
export async function fetchIndex(source: ContentSource, root: string): Promise<ChunkIndex> {
  const bytes = await source.object({ kind: "index", digest: root }, indexLimits.headerBytesMax);
  const header = parseIndexHeader(bytes);
  const pages: Uint8Array[] = [];
  for (const digest of header.pageDigests)
    pages.push(await source.object({ kind: "index-page", digest }, 65_536 * 36));
  return decodeIndex(header, pages);
}

export interface FoundDelta {
  readonly delta: Delta;
  readonly digest: string;
}

/** The delta from `base`, if the centre made one; its header proves the new index. */
export async function fetchDelta(
  source: ContentSource,
  base: ChunkIndex,
  newRoot: string,
): Promise<FoundDelta | undefined> {
  const pointer = await source.pointer(deltaPointerPath(base.root, newRoot));
  if (!pointer) return undefined;
  const name = { kind: "delta", digest: pointer.digest } as const;
  const prefix = parseDeltaPrefix(await collect(source.range(name, 0, deltaLimits.prefixBytes)));
  const frame = await collect(source.range(name, deltaLimits.prefixBytes, prefix.headerFrameBytes));
  verifyDeltaHeaderFrame(prefix, frame);
  const header = zstdDecompressSync(frame, { maxOutputLength: prefix.headerBytes });
  const delta = parseDeltaHeader({ header, prefix, base, newRoot });
  return { delta, digest: pointer.digest };
}

export async function fetchPackTable(source: ContentSource, root: string): Promise<PackTable> {
  const pointer = await source.pointer(packTablePointerPath(root));
  if (!pointer) throw new ImageFetchError(`the centre has no packs for index ${root}`);
  const name = { kind: "pack-table", digest: pointer.digest } as const;
  return parsePackTable(await source.object(name, packTableBytesMax));
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

/** Where the bytes of one fetch come from and go to. */
export interface ImageTarget {
  readonly index: ChunkIndex;
  read(first: number, count: number): Promise<Uint8Array>;
  write(first: number, count: number, bytes: Uint8Array): Promise<void>;
  rightChunks(): Promise<Set<number>>;
}
export type ImageBase = Pick<ImageTarget, "index" | "read">;

/**
 * Fills `target`: a delta first when there is one, then whatever is still missing from packs. Throws
 * when some chunk could not be made right.
 */
export async function fillImage(input: {
  readonly source: ContentSource;
  readonly target: ImageTarget;
  readonly bases: readonly ImageBase[];
  readonly delta: FoundDelta | undefined;
  readonly onProgress: (plan: ApplyPlan) => void;
  /** The delta's bytes are damaged: packs are used for what it did not bring. */
  readonly onDeltaRefused: (error: Error) => void;
}): Promise<void> {
  const { source, target, bases, delta, onProgress, onDeltaRefused } = input;
  let right = await target.rightChunks();
  const [base] = bases;
  if (delta && base && right.size < target.index.count) {
    const isRight = right;
    const plan = planFromDelta({
      delta: delta.delta,
      base: base.index,
      deltaDigest: delta.digest,
      right: (number) => isRight.has(number),
    });
    onProgress(plan);
    const ports = portsOf(source, target, [base]);
    try {
      const newIndex = target.index;
      const outcome = await applyPlan({ plan, newIndex, sources: [base.index], ports });
      if (outcome.unmade.length === 0) return;
    } catch (error) {
      // Anything else (the WAN, the disk) would happen with packs too, and what is verified stays.
      if (!(error instanceof ChunkDigestError || error instanceof ChunkFormatError)) throw error;
      onDeltaRefused(error);
    }
    right = await target.rightChunks();
  }
  if (right.size === target.index.count) return;
  const table = await fetchPackTable(source, target.index.root);
  const sources = bases.map(({ index }) => index);
  await fillFromPacks({ ...input, table, sources, right });
}

async function fillFromPacks(input: {
  readonly source: ContentSource;
  readonly target: ImageTarget;
  readonly bases: readonly ImageBase[];
  readonly table: PackTable;
  readonly sources: readonly ChunkIndex[];
  readonly right: ReadonlySet<number>;
  readonly onProgress: (plan: ApplyPlan) => void;
}): Promise<void> {
  const { source, target, bases, table, onProgress } = input;
  let { sources, right } = input;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const known = right;
    const plan = planFromPacks({
      newIndex: target.index,
      table,
      sources,
      right: (number) => known.has(number),
      gapBytesMax: requestGapBytes,
    });
    onProgress(plan);
    const ports = portsOf(source, target, bases);
    const outcome = await applyPlan({ plan, newIndex: target.index, sources, ports });
    if (outcome.unmade.length === 0) return;
    // An image at hand is damaged: take those chunks from the WAN instead.
    sources = [];
    right = await target.rightChunks();
  }
  throw new ChunkDigestError("some chunks could not be made although all content arrived");
}

function portsOf(
  source: ContentSource,
  target: ImageTarget,
  bases: readonly ImageBase[],
): ApplyPorts {
  return {
    async readSource(position, first, count) {
      const base = bases[position];
      if (!base) throw new ImageFetchError("a plan names a base that is not open");
      return await base.read(first, count);
    },
    readNew: (first, count) => target.read(first, count),
    write: (first, count, bytes) => target.write(first, count, bytes),
    fetch: (range) => source.range(range.object, range.offset, range.sizeBytes),
    async inflate(frame, plainBytes, dictionary) {
      return zstdDecompressSync(frame, {
        maxOutputLength: plainBytes,
        // One piece of the right size, instead of many that are then joined.
        chunkSize: Math.max(zlibConstants.Z_MIN_CHUNK, plainBytes),
        ...(dictionary ? { dictionary } : {}),
      });
    },
  };
}
