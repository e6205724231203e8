// An image of the site's cache as a slot writer wants it: manifest and chunk index, both verified down
// from the image id, and a way to its bytes, which the writer verifies chunk by chunk.
import { setTimeout as wait } from "node:timers/promises";
import type { ChunkIndex } from "@drover/shared/chunk/chunk-index";
import { decodeIndex, pageBytes, parseIndexHeader } from "@drover/shared/chunk/index-codec";
import { FleetError } from "@drover/shared/errors";
import type { ImageId } from "@drover/shared/ids";
import { Manifest, manifestBytesMax } from "@drover/shared/image/manifest";
import { sha256Hex } from "@drover/shared/trust/digest";
import type { FetchBytes } from "./root-slot.ts";
import type { ImageSite } from "./site-ports.ts";

/** What the site sent is not the image that was asked for. */
export class ImageRefusedError extends FleetError {
  readonly code = "image-refused";
}

export interface OpenedImage {
  readonly imageId: ImageId;
  readonly manifest: Manifest;
  readonly index: ChunkIndex;
  readonly fetchBytes: FetchBytes;
}

/** Chunk indexes of images up to 256 GB at the standard chunk size. */
const indexBytesMax = 192 * 1024 * 1024;
/** Pauses between tries of one range. */
const askAgainMs = [250, 1_000, 4_000, 8_000];
/** Position of the header's own length, after magic and version. */
const headerLengthAt = 8;

/** Parses a manifest only when its digest is the image id. */
export function readManifest(imageId: ImageId, bytes: Uint8Array): Manifest {
  if (sha256Hex(bytes) !== imageId)
    throw new ImageRefusedError(`the manifest that came is not that of image ${imageId}`);
  const parsed = Manifest.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (!parsed.success)
    throw new ImageRefusedError(`the manifest of image ${imageId} cannot be used`, {
      cause: parsed.error,
    });
  return parsed.data;
}

/** Reads an index file: the header, then all its pages. `root` is what the manifest binds. */
export function readIndexFile(root: string, bytes: Uint8Array): ChunkIndex {
  if (bytes.length < headerLengthAt + 4)
    throw new ImageRefusedError("the chunk index is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = view.getUint32(headerLengthAt, true);
  const header = parseIndexHeader(bytes.subarray(0, headerLength));
  if (header.root !== root)
    throw new ImageRefusedError("the chunk index that came is not the one the manifest binds");
  let at = headerLength;
  const pages = header.pageDigests.map((_, page) => {
    const end = at + pageBytes(header, page);
    const part = bytes.subarray(at, end);
    at = end;
    return part;
  });
  if (at !== bytes.length)
    throw new ImageRefusedError("the chunk index has another length than its pages");
  return decodeIndex(header, pages);
}

/** Fetches and verifies manifest and index. */
export async function openImage(
  site: ImageSite,
  imageId: ImageId,
  signal: AbortSignal,
): Promise<OpenedImage> {
  const manifest = readManifest(
    imageId,
    await site.imageFile(imageId, "manifest", manifestBytesMax),
  );
  const indexFile = await site.imageFile(imageId, "index", indexBytesMax);
  return {
    imageId,
    manifest,
    index: readIndexFile(manifest.chunkIndexRoot, indexFile),
    fetchBytes: (artefact, offset, lengthBytes) => {
      if (artefact !== "root" && artefact !== "kernel" && artefact !== "initrd")
        throw new ImageRefusedError(`the image has an artefact ${artefact}, which has no place`);
      return patiently(signal, () =>
        site.imageRange(imageId, artefact, offset, lengthBytes, signal),
      );
    },
  };
}

/** A site agent that is busy or just restarting is asked again before a whole slot is given up. */
async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (const waitMs of askAgainMs) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FleetError)) throw error;
      await wait(waitMs, undefined, { signal });
    }
  }
  return await ask();
}
