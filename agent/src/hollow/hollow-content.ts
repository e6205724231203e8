// What images would cost a hollow site: the real plan from real manifests, indexes, delta headers and
// pack tables, without the bytes. Shared by all hollow sites of a process, so each is read only once.

import { planFromDelta, planFromPacks } from "@drover/shared/chunk/apply-plan";
import type { ChunkIndex } from "@drover/shared/chunk/chunk-index";
import type { ImageId } from "@drover/shared/ids";
import type { Manifest } from "@drover/shared/image/manifest";
import { ContentSource, type ContentSourceParts } from "../site/content-source.ts";
import { fetchDelta, fetchIndex, fetchManifest, fetchPackTable } from "../site/image-fetch.ts";

interface KnownImage {
  readonly manifest: Manifest;
  readonly manifestBytes: number;
  readonly index: ChunkIndex;
}

export class HollowContent {
  readonly #images = new Map<ImageId, Promise<KnownImage>>();
  readonly #costs = new Map<string, Promise<number>>();

  async manifest(content: ContentSourceParts, imageId: ImageId): Promise<Manifest> {
    return (await this.#image(content, imageId)).manifest;
  }

  /** Bytes a site with `base` (or nothing) in its cache would take from the WAN for `imageId`. */
  costBytes(
    content: ContentSourceParts,
    base: ImageId | undefined,
    imageId: ImageId,
  ): Promise<number> {
    return once(this.#costs, `${base ?? "nothing"} ${imageId}`, () =>
      this.#plan(content, base, imageId),
    );
  }

  #image(content: ContentSourceParts, imageId: ImageId): Promise<KnownImage> {
    return once(this.#images, imageId, async () => {
      let manifestBytes = 0;
      const source = new ContentSource(
        content,
        (bytes) => {
          manifestBytes += bytes;
        },
        new AbortController().signal,
      );
      const manifest = await fetchManifest(source, imageId);
      const known = manifestBytes;
      const index = await fetchIndex(source, manifest.chunkIndexRoot);
      return { manifest, manifestBytes: known, index };
    });
  }

  async #plan(
    content: ContentSourceParts,
    base: ImageId | undefined,
    imageId: ImageId,
  ): Promise<number> {
    const image = await this.#image(content, imageId);
    const baseIndex = base && (await this.#image(content, base)).index;
    let metadataBytes = image.manifestBytes;
    const count = (bytes: number): void => {
      metadataBytes += bytes;
    };
    const source = new ContentSource(content, count, new AbortController().signal);
    const { root } = image.index;
    const delta = baseIndex && (await fetchDelta(source, baseIndex, root));
    if (delta && baseIndex) {
      const plan = planFromDelta({
        delta: delta.delta,
        base: baseIndex,
        deltaDigest: delta.digest,
      });
      return metadataBytes + plan.totals.fetchBytes;
    }
    await fetchIndex(source, root);
    const table = await fetchPackTable(source, root);
    const sources = baseIndex ? [baseIndex] : [];
    const plan = planFromPacks({ newIndex: image.index, table, sources });
    return metadataBytes + plan.totals.fetchBytes;
  }
}

/** One attempt at a time per key; a failure is forgotten, so that the next caller tries again. */
function once<Key, Value>(
  known: Map<Key, Promise<Value>>,
  key: Key,
  make: () => Promise<Value>,
): Promise<Value> {
  const existing = known.get(key);
  if (existing !== undefined) return existing;
  const made = make().catch((error: unknown) => {
    known.delete(key);
    throw error;
  });
  known.set(key, made);
  return made;
}
