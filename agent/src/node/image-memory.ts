// Manifests and chunk indexes of the images in the two slots, kept on the state partition so that a
// node knows its probes and can seed the next image without asking. Everything read back is verified.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describeError } from "@drover/shared/errors";
import type { ImageId } from "@drover/shared/ids";
import { type Manifest, manifestBytesMax, manifestText } from "@drover/shared/image/manifest";
import type { Log } from "@drover/shared/log";
import { manifestFile } from "./node-memory.ts";
import { type OpenedImage, openImage, readManifest } from "./open-image.ts";
import type { ImageSite } from "./site-ports.ts";
import { writeDurably } from "./state-file.ts";

export class ImageMemory {
  readonly #folder: string;
  readonly #site: ImageSite;
  readonly #log: Log;

  constructor(folder: string, site: ImageSite, log: Log) {
    this.#folder = folder;
    this.#site = site;
    this.#log = log;
  }

  /** The kept manifest, or undefined when there is none that is whole. */
  kept(imageId: ImageId): Manifest | undefined {
    try {
      return readManifest(imageId, readFileSync(join(this.#folder, manifestFile(imageId))));
    } catch (error) {
      // Whatever is wrong with it, the site has the same manifest.
      this.#log.debug({ imageId, error: describeError(error) }, "no kept manifest");
      return undefined;
    }
  }

  /** The kept manifest, else the site's, which is kept from then on. */
  async manifest(imageId: ImageId): Promise<Manifest> {
    const kept = this.kept(imageId);
    if (kept) return kept;
    const bytes = await this.#site.imageFile(imageId, "manifest", manifestBytesMax);
    const manifest = readManifest(imageId, bytes);
    this.#keep(imageId, manifest);
    return manifest;
  }

  /** The image as the site serves it. */
  async open(imageId: ImageId, signal: AbortSignal): Promise<OpenedImage> {
    const image = await openImage(this.#site, imageId, signal);
    this.#keep(imageId, image.manifest);
    return image;
  }

  /** Forgets all images but these. */
  keepOnly(imageIds: readonly (ImageId | null)[]): void {
    const folder = join(this.#folder, "images");
    if (!existsSync(folder)) return;
    const names = new Set(imageIds.map((imageId) => `${imageId}.json`));
    for (const name of readdirSync(folder)) {
      if (!names.has(name)) rmSync(join(folder, name), { force: true });
    }
  }

  #keep(imageId: ImageId, manifest: Manifest): void {
    writeDurably(join(this.#folder, manifestFile(imageId)), manifestText(manifest));
  }
}
