// The site's images on disk: whole ones as expanded files, one under way as a partial folder. A folder
// under its final name is complete and verified; WAN bytes are counted per image and survive restarts.
import { mkdir, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ApplyPlan } from "@drover/shared/chunk/apply-plan";
import type { ChunkIndex } from "@drover/shared/chunk/chunk-index";
import type { Clock } from "@drover/shared/clock";
import { describeError, FleetError } from "@drover/shared/errors";
import { ImageId } from "@drover/shared/ids";
import { imageBytes, Manifest, manifestText } from "@drover/shared/image/manifest";
import type { Log } from "@drover/shared/log";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { ImageFileName } from "../node-api/contract.ts";
import { ContentSource, type ContentSourceParts } from "./content-source.ts";
import {
  type FoundDelta,
  fetchDelta,
  fetchIndex,
  fetchManifest,
  fillImage,
} from "./image-fetch.ts";
import { ImageFiles, indexFileBytes, promoteFolder, readIndexFile } from "./image-files.ts";

export class CacheFullError extends FleetError {
  readonly code = "image-cache-full";
}

export interface ImageCacheParts {
  readonly folder: string;
  readonly content: ContentSourceParts;
  readonly clock: Clock;
  readonly log: Log;
  addWanBytes(imageId: ImageId, bytes: number): Promise<void>;
}

export interface WholeImage {
  readonly imageId: ImageId;
  readonly manifest: Manifest;
  readonly index: ChunkIndex;
}

/** What a site agent asks of a cache; hollow sites have one without bytes. */
export interface ImageCache {
  /** Images the site can deliver whole. */
  whole(): readonly ImageId[];
  manifest(imageId: ImageId): Manifest | undefined;
  /** Path of one file of a whole image, or undefined. */
  path(imageId: ImageId, name: ImageFileName): string | undefined;
  /** Makes the image whole; throws when that failed, keeping what was verified. */
  ensure(release: ReleaseRef, signal: AbortSignal): Promise<void>;
  evict(imageId: ImageId): Promise<void>;
  sizeBytes(): number;
}

/** Space that is left alone on the cache's file system. */
const reserveBytes = 64 * 1024 * 1024;
const wanFlushBytes = 1024 * 1024;

export class DiskImageCache implements ImageCache {
  readonly #parts: ImageCacheParts;
  readonly #whole = new Map<ImageId, WholeImage>();

  private constructor(parts: ImageCacheParts) {
    this.#parts = parts;
  }

  /** Reads what is there; a folder that does not hold together is removed, to be fetched again. */
  static async open(parts: ImageCacheParts): Promise<DiskImageCache> {
    const cache = new DiskImageCache(parts);
    for (const part of ["images", "partial"])
      await mkdir(join(parts.folder, part), { recursive: true, mode: 0o700 });
    for (const name of await readdir(join(parts.folder, "images"))) await cache.#adopt(name);
    return cache;
  }

  async #adopt(name: string): Promise<void> {
    const { folder, log } = this.#parts;
    const path = join(folder, "images", name);
    try {
      const imageId = ImageId.parse(name);
      const manifest = Manifest.parse(JSON.parse(await readFile(join(path, "manifest"), "utf8")));
      const index = await readIndexFile(path, manifest.chunkIndexRoot);
      this.#whole.set(imageId, { imageId, manifest, index });
    } catch (error) {
      log.warn({ path, error: describeError(error) }, "cached image was unusable and is removed");
      await rm(path, { recursive: true, force: true });
    }
  }

  whole(): readonly ImageId[] {
    return [...this.#whole.keys()];
  }

  manifest(imageId: ImageId): Manifest | undefined {
    return this.#whole.get(imageId)?.manifest;
  }

  path(imageId: ImageId, name: ImageFileName): string | undefined {
    return this.#whole.has(imageId) ? join(this.#parts.folder, "images", imageId, name) : undefined;
  }

  sizeBytes(): number {
    return [...this.#whole.values()].reduce((sum, { manifest }) => sum + imageBytes(manifest), 0);
  }

  async ensure(release: ReleaseRef, signal: AbortSignal): Promise<void> {
    const { imageId } = release;
    if (this.#whole.has(imageId)) return;
    const { log } = this.#parts;
    const meter = new WanMeter((bytes) => this.#parts.addWanBytes(imageId, bytes));
    const partial = join(this.#parts.folder, "partial", imageId);
    try {
      const source = new ContentSource(this.#parts.content, (bytes) => meter.add(bytes), signal);
      const whole = await this.#fetch(source, imageId, partial);
      this.#whole.set(imageId, whole);
      log.info({ imageId, wanBytes: meter.totalBytes }, "image became whole");
    } catch (error) {
      if (isDiskFull(error)) {
        await rm(partial, { recursive: true, force: true });
        throw new CacheFullError(`there is no space for image ${imageId}`, { cause: error });
      }
      throw error;
    } finally {
      await meter.flush();
    }
  }

  async #fetch(source: ContentSource, imageId: ImageId, partial: string): Promise<WholeImage> {
    const manifest = await fetchManifest(source, imageId);
    await this.#checkSpace(manifest, partial);
    const opened = await this.#openBases(manifest);
    try {
      const [base] = opened;
      const delta = base && (await this.#findDelta(source, base.index, manifest));
      const index = delta?.delta.newIndex ?? (await fetchIndex(source, manifest.chunkIndexRoot));
      const target = await ImageFiles.openPartial(partial, index);
      try {
        const onProgress = (plan: ApplyPlan) => this.#logPlan(imageId, plan);
        const onDeltaRefused = (error: Error) => this.#logRefused(error);
        await fillImage({ source, target, bases: opened, delta, onProgress, onDeltaRefused });
        await target.seal(manifest);
      } finally {
        await target.close();
      }
      await writeFile(join(partial, "index"), indexFileBytes(index), { flush: true });
      await writeFile(join(partial, "manifest"), manifestText(manifest), { flush: true });
      await promoteFolder(partial, join(this.#parts.folder, "images", imageId));
      return { imageId, manifest, index };
    } finally {
      for (const files of opened) await files.close();
    }
  }

  /** A delta that cannot be used is no failure: the packs are always there. */
  async #findDelta(
    source: ContentSource,
    base: ChunkIndex,
    manifest: Manifest,
  ): Promise<FoundDelta | undefined> {
    try {
      return await fetchDelta(source, base, manifest.chunkIndexRoot);
    } catch (error) {
      this.#logRefused(error);
      return undefined;
    }
  }

  #logRefused(error: unknown): void {
    this.#parts.log.warn({ error: describeError(error) }, "delta was unusable, packs are used");
  }

  /** Whole images to copy from, of the same name first. */
  async #openBases(manifest: Manifest): Promise<ImageFiles[]> {
    const isSame = (image: WholeImage): number => (image.manifest.name === manifest.name ? 1 : 0);
    const images = [...this.#whole.values()]
      .reverse()
      .sort((left, right) => isSame(right) - isSame(left));
    const opened: ImageFiles[] = [];
    for (const { imageId, index } of images.slice(0, 3))
      opened.push(await ImageFiles.openWhole(join(this.#parts.folder, "images", imageId), index));
    return opened;
  }

  async #checkSpace(manifest: Manifest, partial: string): Promise<void> {
    const { folder } = this.#parts;
    const { bavail, bsize } = await statfs(folder);
    const isBegun = (await readdir(join(folder, "partial"))).some((name) => partial.endsWith(name));
    const neededBytes = isBegun ? 0 : imageBytes(manifest);
    if (bavail * bsize < neededBytes + reserveBytes)
      throw new CacheFullError(
        `the cache needs ${neededBytes + reserveBytes} bytes and has ${bavail * bsize}`,
      );
  }

  #logPlan(imageId: ImageId, { totals }: ApplyPlan): void {
    this.#parts.log.info({ imageId, ...totals }, "image fetch was planned");
  }

  async evict(imageId: ImageId): Promise<void> {
    this.#whole.delete(imageId);
    for (const part of ["images", "partial"])
      await rm(join(this.#parts.folder, part, imageId), { recursive: true, force: true });
  }

  /** Reads one whole image again; a damaged one is evicted, so that it is fetched afresh. True: intact. */
  async scrub(imageId: ImageId): Promise<boolean> {
    const image = this.#whole.get(imageId);
    if (!image) return true;
    const files = await ImageFiles.openWhole(
      join(this.#parts.folder, "images", imageId),
      image.index,
    );
    try {
      if ((await files.rightChunks()).size === image.index.count) return true;
    } finally {
      await files.close();
    }
    this.#parts.log.warn({ imageId }, "cached image was damaged and is evicted");
    await this.evict(imageId);
    return false;
  }
}

/** Adds up payload bytes and keeps the sum now and then, so that a kill loses little of the count. */
class WanMeter {
  readonly #keep: (bytes: number) => Promise<void>;
  #pendingBytes = 0;
  #keeping: Promise<void> = Promise.resolve();
  totalBytes = 0;

  constructor(keep: (bytes: number) => Promise<void>) {
    this.#keep = keep;
  }

  add(bytes: number): void {
    this.totalBytes += bytes;
    this.#pendingBytes += bytes;
    if (this.#pendingBytes >= wanFlushBytes) void this.flush();
  }

  flush(): Promise<void> {
    const bytes = this.#pendingBytes;
    this.#pendingBytes = 0;
    if (bytes > 0) this.#keeping = this.#keeping.then(() => this.#keep(bytes));
    return this.#keeping;
  }
}

function isDiskFull(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ENOSPC" || error.code === "EDQUOT")
  );
}
