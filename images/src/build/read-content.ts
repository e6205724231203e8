// Reads the bytes of tree entries, and writes planned file systems to disk in one pass with bounded
// memory.
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { ErofsPlan } from "../core/erofs/erofs.ts";
import type { Content, FileTree } from "../core/tree/file-tree.ts";
import { FileTreeError } from "../core/tree/file-tree.ts";

const PART_BYTES = 1 << 20;

/** All bytes of one content. */
export async function readContent(content: Content): Promise<Uint8Array> {
  if (content.kind === "bytes") return content.bytes;
  const file = await open(content.file, "r");
  try {
    const bytes = new Uint8Array(content.sizeBytes);
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await file.read(
        bytes,
        done,
        bytes.length - done,
        content.offsetBytes + done,
      );
      if (bytesRead === 0) throw new FileTreeError(`${content.file} is shorter than its list says`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** The bytes of the file at `path` of a tree, through links. Throws {@link FileTreeError} without one. */
export async function readTreeFile(tree: FileTree, path: string): Promise<Uint8Array> {
  const entry = tree.fileAt(path);
  if (entry === undefined) throw new FileTreeError(`the packages bring no file /${path}`);
  return readContent(entry.content);
}

async function* partsOf(
  content: Content,
  sourceAt: (file: string) => Promise<FileHandle>,
): AsyncGenerator<Uint8Array> {
  if (content.kind === "bytes") {
    yield content.bytes;
    return;
  }
  const source = await sourceAt(content.file);
  const buffer = new Uint8Array(Math.min(PART_BYTES, content.sizeBytes));
  for (let done = 0; done < content.sizeBytes; ) {
    const want = Math.min(buffer.length, content.sizeBytes - done);
    const { bytesRead } = await source.read(buffer, 0, want, content.offsetBytes + done);
    if (bytesRead === 0) throw new FileTreeError(`${content.file} is shorter than its list says`);
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * Writes the file system of `plan` to `path` and returns its SHA-256 as hex. `onPart` sees every byte
 * in order, so that digests over the whole are made in the same pass.
 */
export async function writeErofs(
  plan: ErofsPlan,
  path: string,
  onPart: (bytes: Uint8Array) => void,
  signal?: AbortSignal,
): Promise<string> {
  const sources = new Map<string, FileHandle>();
  const sourceAt = async (file: string): Promise<FileHandle> => {
    const known = sources.get(file);
    if (known !== undefined) return known;
    const opened = await open(file, "r");
    sources.set(file, opened);
    return opened;
  };
  const hash = createHash("sha256");
  const output = await open(path, "w");
  try {
    let offset = 0;
    const emit = async (bytes: Uint8Array): Promise<void> => {
      hash.update(bytes);
      onPart(bytes);
      await output.writeFile(bytes);
      offset += bytes.length;
    };
    await emit(plan.metadata);
    for (const extent of plan.extents) {
      signal?.throwIfAborted();
      if (extent.offsetBytes > offset) await emit(new Uint8Array(extent.offsetBytes - offset));
      for await (const part of partsOf(extent.content, sourceAt)) await emit(part);
    }
    if (plan.sizeBytes > offset) await emit(new Uint8Array(plan.sizeBytes - offset));
  } finally {
    await output.close();
    for (const source of sources.values()) await source.close();
  }
  return hash.digest("hex");
}
