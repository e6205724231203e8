// What a site must fetch to get from one image to another: the same plan that the site will carry out, made
// from the same objects, so the figure is exact and not an estimate. Index and manifest come on top.
import { ContentReader } from "@drover/images/distribution/content-reader";
import { chooseTier, planFromDelta, planFromPacks } from "@drover/shared/chunk/apply-plan";
import { ChunkDigestError, ChunkFormatError } from "@drover/shared/chunk/errors";
import type { Manifest } from "@drover/shared/image/manifest";

export interface WanBytes {
  readonly tier: "delta" | "chunks" | "full";
  readonly bytes: number;
  readonly fullBytes: number;
}

/** Undefined when the index or pack table of an image is not in the folder, or damaged there. */
export async function wanBytes(
  folder: string,
  from: Manifest | undefined,
  to: Manifest,
): Promise<WanBytes | undefined> {
  const reader = new ContentReader(folder);
  const newIndex = await orMissing(reader.index(to.chunkIndexRoot));
  const table = await orMissing(reader.packTable(to.chunkIndexRoot));
  if (!newIndex || !table) return undefined;
  const fullBytes = planFromPacks({ newIndex, table }).totals.fetchBytes;
  const base = from && (await orMissing(reader.index(from.chunkIndexRoot)));
  if (!base) return { tier: "full", bytes: fullBytes, fullBytes };
  const chunkBytes = planFromPacks({ newIndex, table, sources: [base] }).totals.fetchBytes;
  const offered = await orMissing(reader.delta(base, to.chunkIndexRoot));
  const deltaBytes =
    offered &&
    planFromDelta({ base, delta: offered.delta, deltaDigest: offered.pointer.digest }).totals
      .fetchBytes;
  const { tier } = chooseTier(deltaBytes, chunkBytes);
  return tier === "delta" && deltaBytes !== undefined
    ? { tier, bytes: deltaBytes, fullBytes }
    : { tier: "chunks", bytes: chunkBytes, fullBytes };
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
