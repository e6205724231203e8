// Makes the chunk index of an image from the files of its artefacts, in one streaming pass.

import { open } from "node:fs/promises";
import { type ChunkerParameters, standardChunker } from "@drover/shared/chunk/chunk-index";
import { sha256, sha256Hex } from "@drover/shared/chunk/digest";
import { type EncodedIndex, encodeIndex, type IndexEntry } from "@drover/shared/chunk/index-codec";
import { type Chunker, createChunker } from "../core/chunking/chunker.ts";
import { createEngine, type GearEngine } from "../core/chunking/gear.ts";
import type { ArtefactFile } from "./artefact-files.ts";
import type { ContentSink } from "./content-sink.ts";
import type { MakeOptions } from "./progress.ts";

/** Reads every artefact once. The order of `artefacts` is the order of the chunk numbers. */
export async function makeIndex(
  input: {
    readonly artefacts: readonly ArtefactFile[];
    /** Left out: 16/64/256 KiB. */
    readonly chunker?: ChunkerParameters;
    readonly engine?: GearEngine;
  } & MakeOptions,
): Promise<EncodedIndex> {
  const parameters = input.chunker ?? standardChunker;
  const chunker = createChunker(input.engine ?? createEngine(), parameters);
  const totalBytes = await sizeOf(input.artefacts);
  let doneBytes = 0;
  const artefacts: { name: string; entries: IndexEntry[] }[] = [];
  for (const { name, path } of input.artefacts) {
    const entries = await cutFile(path, chunker, (count) => {
      input.signal?.throwIfAborted();
      doneBytes += count;
      input.onProgress?.({ doneBytes, totalBytes });
    });
    artefacts.push({ name, entries });
  }
  return encodeIndex({ chunker: parameters, artefacts });
}

/** Puts the header and all pages. The header goes last: an index that can be found is complete. */
export async function publishIndex(encoded: EncodedIndex, sink: ContentSink): Promise<void> {
  for (const page of encoded.pages) {
    await sink.putBytes({ kind: "index-page", digest: sha256Hex(page) }, page);
  }
  await sink.putBytes({ kind: "index", digest: encoded.index.root }, encoded.header);
}

async function sizeOf(artefacts: readonly ArtefactFile[]): Promise<number> {
  let totalBytes = 0;
  for (const { path } of artefacts) {
    const handle = await open(path, "r");
    try {
      totalBytes += (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  }
  return totalBytes;
}

async function cutFile(
  path: string,
  chunker: Chunker,
  onRead: (count: number) => void,
): Promise<IndexEntry[]> {
  const entries: IndexEntry[] = [];
  const take = (chunk: Uint8Array): void => {
    entries.push({ id: sha256(chunk), lengthBytes: chunk.length });
  };
  const handle = await open(path, "r");
  try {
    for (;;) {
      const room = chunker.room();
      const { bytesRead } = await handle.read(room, 0, Math.min(room.length, 1024 * 1024), null);
      if (bytesRead === 0) break;
      chunker.filled(bytesRead, take);
      onRead(bytesRead);
    }
  } finally {
    await handle.close();
  }
  chunker.finish(take);
  return entries;
}
