// Makes an image with the builder program, puts everything it made into the content store, pointers last, and
// registers it: an image that people can see can be fetched whole.
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { type ContentName, parseContentPath } from "@drover/shared/chunk/content-layout";
import type { ImageId } from "@drover/shared/ids";
import type { ImageMaker } from "./builder-loop.ts";
import { BuildFailedError, runImageBuilder } from "./run-image-builder.ts";

export interface MakerOptions {
  /** The image builder's main file. */
  readonly builder: string;
  readonly recipesFolder: string;
  readonly cacheFolder: string;
  /** The node agent as one file. */
  readonly agentBundle: string;
  /** Folder for what builds make before it is in the store. */
  readonly workFolder: string;
  readonly store: {
    put(name: ContentName, bytes: AsyncIterable<Uint8Array>): Promise<boolean>;
    putPointer(path: string, text: string): Promise<void>;
  };
  /** Newest images of the recipe: deltas are made from them. */
  earlier(recipe: string): Promise<readonly ImageId[]>;
  register(imageId: ImageId): Promise<void>;
}

export function imageMaker(options: MakerOptions): ImageMaker {
  return {
    async make({ recipe, signal, onLine }) {
      await requireBundle(options.agentBundle);
      const out = join(options.workFolder, randomUUID());
      await mkdir(out, { recursive: true, mode: 0o700 });
      try {
        const earlier = await options.earlier(recipe);
        const imageId = await runImageBuilder({
          program: process.execPath,
          args: [
            ...[options.builder, "image", recipe, "--out", out],
            ...["--cache", options.cacheFolder, "--agent", options.agentBundle],
            ...["--recipes", options.recipesFolder, "--relock", "when-missing"],
            ...earlier.flatMap((id) => ["--earlier", id]),
          ],
          signal,
          onLine,
        });
        onLine("putting content into the store");
        await putAll(options.store, out, signal);
        await options.register(imageId);
        onLine(`registered image ${imageId}`);
        return imageId;
      } finally {
        await rm(out, { recursive: true, force: true });
      }
    },
  };
}

async function requireBundle(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile())
    throw new BuildFailedError(`the agent bundle ${file} is missing: run npm run build first`);
}

async function putAll(
  store: MakerOptions["store"],
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  for (const path of paths) {
    signal.throwIfAborted();
    const name = parseContentPath(path);
    if (name) await store.put(name, createReadStream(join(folder, path)));
  }
  for (const path of paths.filter((each) => each.startsWith("pointer/")))
    await store.putPointer(path, await readFile(join(folder, path), "utf8"));
}
