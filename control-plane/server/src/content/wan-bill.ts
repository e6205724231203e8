// What a site must fetch to get from one image to another: the same objects in the same order as the site
// reads them, and the plan it will carry out, so the figure is exact and not an estimate.
import { ContentReader } from "@drover/images/distribution/content-reader";
import { type ApplyPlan, planFromDelta, planFromPacks } from "@drover/shared/chunk/apply-plan";
import { type ChunkIndex, chunkBytes, chunkIdHex } from "@drover/shared/chunk/chunk-index";
import { sha256Hex } from "@drover/shared/chunk/digest";
import { ChunkDigestError, ChunkFormatError } from "@drover/shared/chunk/errors";
import { requestGapBytes } from "@drover/shared/chunk/fetch-ranges";
import type { ImageId } from "@drover/shared/ids";
import type { Manifest } from "@drover/shared/image/manifest";

export interface WanBytes {
  readonly tier: "delta" | "chunks" | "full";
  readonly bytes: number;
  readonly fullBytes: number;
}

/** An image in the content folder. */
export interface BilledImage {
  readonly id: ImageId;
  readonly manifest: Manifest;
}

/** Undefined when the index or pack table of an image is not in the folder, or damaged there. */
export async function wanBytes(
  folder: string,
  from: Manifest | undefined,
  to: BilledImage,
): Promise<WanBytes | undefined> {
  const fullBytes = await orMissing(packBytes(folder, to, []));
  if (fullBytes === undefined) return undefined;
  // The site holds the index of what it has.
  const base = from && (await orMissing(new ContentReader(folder).index(from.chunkIndexRoot)));
  if (!base) return { tier: "full", bytes: fullBytes, fullBytes };
  // A site takes a delta whenever there is one: comparing would cost it more than it saves.
  const deltaBytes = await orMissing(bytesByDelta(folder, to, base));
  if (deltaBytes !== undefined) return { tier: "delta", bytes: deltaBytes, fullBytes };
  const bytes = await packBytes(folder, to, [base]);
  return { tier: "chunks", bytes, fullBytes };
}

/** Counts what `read` takes from the folder, plus what its plan fetches. */
async function counting(
  folder: string,
  to: BilledImage,
  read: (reader: ContentReader) => Promise<ApplyPlan>,
): Promise<number> {
  let bytes = 0;
  const reader = new ContentReader(folder, (count) => {
    bytes += count;
  });
  await reader.object({ kind: "manifest", digest: to.id });
  const { totals } = await read(reader);
  return bytes + totals.fetchBytes;
}

function bytesByDelta(folder: string, to: BilledImage, base: ChunkIndex): Promise<number> {
  return counting(folder, to, async (reader) => {
    const { delta, pointer } = await reader.delta(base, to.manifest.chunkIndexRoot);
    const right = zeroChunks(delta.newIndex);
    return planFromDelta({ base, delta, deltaDigest: pointer.digest, right });
  });
}

function packBytes(folder: string, to: BilledImage, sources: ChunkIndex[]): Promise<number> {
  return counting(folder, to, async (reader) => {
    const root = to.manifest.chunkIndexRoot;
    const newIndex = await reader.index(root);
    const table = await reader.packTable(root);
    const right = zeroChunks(newIndex);
    return planFromPacks({ newIndex, table, sources, right, gapBytesMax: requestGapBytes });
  });
}

/** Chunks of zeros are right in a new, empty file: no site fetches them. */
function zeroChunks(index: ChunkIndex): (number: number) => boolean {
  const ids = new Map<number, string>();
  return (number) => {
    const length = chunkBytes(index, number);
    const known = ids.get(length) ?? sha256Hex(new Uint8Array(length));
    ids.set(length, known);
    return chunkIdHex(index, number) === known;
  };
}

/** An object that nobody made yet, or that no site could use, is an answer; anything else is a failure. */
async function orMissing<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ChunkFormatError || error instanceof ChunkDigestError) return undefined;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
