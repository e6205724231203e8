// Writes the artefacts of an image as files, following a plan: the proof that what was made can be
// applied. Only verified chunks are written; the files are complete when nothing is left unmade.

import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { ApplyPlan } from "@drover/shared/chunk/apply-plan";
import { type ApplyOutcome, applyPlan } from "@drover/shared/chunk/apply-run";
import { type ChunkIndex, locateChunk, runBytes } from "@drover/shared/chunk/chunk-index";
import type { ArtefactFiles } from "./artefact-files.ts";
import type { ContentReader } from "./content-reader.ts";
import { expand } from "./zstd.ts";

/** Writes `<outFolder>/<artefact name>` for every artefact; existing files are written over. */
export async function restoreImage(input: {
  readonly plan: ApplyPlan;
  readonly newIndex: ChunkIndex;
  /** In the order the plan was made with. */
  readonly sources: readonly ArtefactFiles[];
  readonly content: ContentReader;
  readonly outFolder: string;
}): Promise<ApplyOutcome> {
  const { newIndex, sources, content, outFolder } = input;
  await mkdir(outFolder, { recursive: true });
  const handles = new Map<string, FileHandle>();
  const locate = (first: number): { handle: FileHandle; offset: number } => {
    const { artefact, offset } = locateChunk(newIndex, first);
    const handle = handles.get(artefact.name);
    if (handle === undefined) throw new RangeError(`artefact ${artefact.name} is not open`);
    return { handle, offset };
  };
  try {
    for (const { name, sizeBytes } of newIndex.artefacts) {
      const handle = await open(join(outFolder, name), constants.O_RDWR | constants.O_CREAT);
      handles.set(name, handle);
      await handle.truncate(sizeBytes);
    }
    const outcome = await applyPlan({
      plan: input.plan,
      newIndex,
      sources: sources.map(({ index }) => index),
      ports: {
        async readSource(source, first, count) {
          const from = sources[source];
          if (from === undefined) throw new RangeError(`source ${source} is not open`);
          return from.readUnverified(first, count);
        },
        async readNew(first, count) {
          const { handle, offset } = locate(first);
          const bytes = new Uint8Array(runBytes(newIndex, first, count));
          await handle.read(bytes, 0, bytes.length, offset);
          return bytes;
        },
        async write(first, _count, bytes) {
          const { handle, offset } = locate(first);
          await handle.write(bytes, 0, bytes.length, offset);
        },
        fetch: ({ object, offset, sizeBytes }) => content.range(object, offset, sizeBytes),
        inflate: expand,
      },
    });
    for (const handle of handles.values()) await handle.sync();
    return outcome;
  } finally {
    for (const handle of handles.values()) await handle.close();
  }
}
