// Names of content objects in URLs and folders. Everything under `content/` is immutable and named
// by the SHA-256 of its own bytes, so any CDN may cache it for ever; the few names under `pointer/`
// may be replaced, which is safe because what they point at verifies itself.
//
//   content/manifest/D      canonical JSON of an image; D is the image id
//   content/index/D         index header with page table; D is the index root
//   content/index-page/D    one page of entries
//   content/pack/D          zstd frames of chunks
//   content/pack-table/D    where an index's chunks lie in packs
//   content/delta/D         delta object from one index to another
//   content/file/D          anything else named by digest (lock, SBOM, logs, boot files)
//   pointer/delta/FROM-TO   JSON {v, digest, sizeBytes}: the delta between two index roots, if made
//   pointer/pack-table/ROOT JSON {v, digest, sizeBytes}: the current pack table of an index

import { z } from "zod";
import { isDigest } from "./digest.ts";
import { ChunkFormatError, formatRule } from "./errors.ts";

export const contentKinds = [
  "manifest",
  "index",
  "index-page",
  "pack",
  "pack-table",
  "delta",
  "file",
] as const;

export type ContentKind = (typeof contentKinds)[number];

/** An immutable object. `digest` is 64 lower-case hex digits. */
export interface ContentName {
  readonly kind: ContentKind;
  readonly digest: string;
}

/** What a replaceable name holds: the object to fetch and its exact length. */
export const contentPointerSchema = z.object({
  v: z.literal(1),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.number().int().positive().max(Number.MAX_SAFE_INTEGER),
});

export type ContentPointer = z.infer<typeof contentPointerSchema>;

/** Path of an immutable object, relative to the content base URL or folder. */
export function contentPath({ kind, digest }: ContentName): string {
  formatRule(isDigest(digest), "content is named by 64 lower-case hex digits");
  return `content/${kind}/${digest}`;
}

/** The object a path names, or undefined for any other path. */
export function parseContentPath(path: string): ContentName | undefined {
  const [root, kindText, digest, ...rest] = path.split("/");
  const kind = contentKinds.find((known) => known === kindText);
  if (root !== "content" || kind === undefined || digest === undefined) return undefined;
  return rest.length === 0 && isDigest(digest) ? { kind, digest } : undefined;
}

/** Path of the pointer to the delta that turns one index into another. */
export function deltaPointerPath(fromRoot: string, toRoot: string): string {
  formatRule(isDigest(fromRoot) && isDigest(toRoot), "a delta is named by two index roots");
  return `pointer/delta/${fromRoot}-${toRoot}`;
}

/** Path of the pointer to the pack table of an index. */
export function packTablePointerPath(indexRoot: string): string {
  formatRule(isDigest(indexRoot), "a pack table is named by an index root");
  return `pointer/pack-table/${indexRoot}`;
}

/** Parses a pointer document. Throws {@link ChunkFormatError}. */
export function parseContentPointer(text: string): ContentPointer {
  try {
    return contentPointerSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ChunkFormatError("reading a content pointer failed", { cause });
  }
}
