// The image cache of a hollow site: knows what it would hold and what that would have cost the WAN, and
// keeps no image bytes. Its `wanBytes` are planned, not measured.
import type { ImageId } from "@drover/shared/ids";
import { ImageId as ImageIdSchema } from "@drover/shared/ids";
import { imageBytes, type Manifest } from "@drover/shared/image/manifest";
import type { ReleaseRef } from "@drover/shared/release/release";
import { z } from "zod";
import type { ContentSourceParts } from "../site/content-source.ts";
import type { ImageCache } from "../site/image-cache.ts";
import type { SiteStore } from "../site/site-store.ts";
import type { HollowContent } from "./hollow-content.ts";

export interface HollowCacheParts {
  readonly shared: HollowContent;
  readonly content: ContentSourceParts;
  readonly store: SiteStore;
  addWanBytes(imageId: ImageId, bytes: number): Promise<void>;
}

const heldDocument = "hollow-images";

export class HollowImageCache implements ImageCache {
  readonly #parts: HollowCacheParts;
  /** Images paid for, oldest first. */
  #held: ImageId[];
  readonly #manifests = new Map<ImageId, Manifest>();

  private constructor(parts: HollowCacheParts, held: ImageId[]) {
    this.#parts = parts;
    this.#held = held;
  }

  static async open(parts: HollowCacheParts): Promise<HollowImageCache> {
    const text = (await parts.store.document(heldDocument)) ?? "[]";
    return new HollowImageCache(parts, z.array(ImageIdSchema).parse(JSON.parse(text)));
  }

  whole(): readonly ImageId[] {
    return [...this.#manifests.keys()];
  }

  manifest(imageId: ImageId): Manifest | undefined {
    return this.#manifests.get(imageId);
  }

  path(): undefined {
    return undefined;
  }

  sizeBytes(): number {
    return [...this.#manifests.values()].reduce((sum, manifest) => sum + imageBytes(manifest), 0);
  }

  async ensure({ imageId }: ReleaseRef): Promise<void> {
    const { shared, content, store, addWanBytes } = this.#parts;
    const manifest = await shared.manifest(content, imageId);
    if (!this.#held.includes(imageId)) {
      await addWanBytes(imageId, await shared.costBytes(content, this.#held.at(-1), imageId));
      this.#held = [...this.#held, imageId];
      await store.keepDocument(heldDocument, JSON.stringify(this.#held));
    }
    this.#manifests.set(imageId, manifest);
  }

  async evict(imageId: ImageId): Promise<void> {
    this.#manifests.delete(imageId);
    this.#held = this.#held.filter((held) => held !== imageId);
    await this.#parts.store.keepDocument(heldDocument, JSON.stringify(this.#held));
  }
}
