// Reads the artefacts of an image, which are plain files, by chunk number. What packs and deltas
// are made from is verified as it is read, so a file that changed after it was indexed can't reach them.

import { type FileHandle, open } from "node:fs/promises";
import { isChunk } from "@drover/shared/chunk/apply-run";
import {
  type Artefact,
  type ChunkIndex,
  chunkBytes,
  chunksToArtefactEnd,
  locateChunk,
  runBytes,
} from "@drover/shared/chunk/chunk-index";
import { FleetError } from "@drover/shared/errors";

/** One artefact and the file that holds it. */
export interface ArtefactFile {
  readonly name: string;
  readonly path: string;
}

/** An artefact's file is missing or does not hold what its index says. */
export class ArtefactError extends FleetError {
  readonly code = "artefact-unreadable";
}

const readBytesMax = 1024 * 1024;

/** Open files of one image. Close it when done. */
export class ArtefactFiles {
  readonly index: ChunkIndex;
  readonly #handles: ReadonlyMap<string, FileHandle>;

  private constructor(index: ChunkIndex, handles: ReadonlyMap<string, FileHandle>) {
    this.index = index;
    this.#handles = handles;
  }

  /** Opens the file of every artefact in the index. Throws {@link ArtefactError}. */
  static async open(index: ChunkIndex, files: readonly ArtefactFile[]): Promise<ArtefactFiles> {
    const handles = new Map<string, FileHandle>();
    const artefacts = new ArtefactFiles(index, handles);
    try {
      for (const { name } of index.artefacts) {
        const file = files.find((candidate) => candidate.name === name);
        if (file === undefined) throw new ArtefactError(`no file is given for artefact ${name}`);
        handles.set(name, await open(file.path, "r"));
      }
    } catch (cause) {
      await artefacts.close();
      if (cause instanceof ArtefactError) throw cause;
      throw new ArtefactError("opening the artefacts of an image failed", { cause });
    }
    return artefacts;
  }

  /** Raw bytes of a run of chunks that lies in one artefact, whatever they are. */
  async readUnverified(first: number, count: number): Promise<Uint8Array> {
    const { artefact, offset } = locateChunk(this.index, first);
    const bytes = new Uint8Array(runBytes(this.index, first, count));
    await this.#fill(artefact, offset, bytes);
    return bytes;
  }

  /** The same, each chunk verified. */
  async read(first: number, count: number): Promise<Uint8Array> {
    const { artefact } = locateChunk(this.index, first);
    const bytes = await this.readUnverified(first, count);
    let at = 0;
    for (let number = first; number < first + count; number += 1) {
      const length = chunkBytes(this.index, number);
      if (!isChunk(this.index, number, bytes.subarray(at, at + length))) {
        throw new ArtefactError(`artefact ${artefact.name} changed after it was indexed`);
      }
      at += length;
    }
    return bytes;
  }

  /** All chunks in order, read in runs of about 1 MiB. The bytes are the taker's to keep. */
  async *chunks(): AsyncGenerator<{ readonly number: number; readonly bytes: Uint8Array }> {
    let first = 0;
    while (first < this.index.count) {
      const longest = chunksToArtefactEnd(this.index, first);
      let count = 1;
      while (count < longest && runBytes(this.index, first, count + 1) <= readBytesMax) count += 1;
      const bytes = await this.read(first, count);
      for (let number = first; number < first + count; number += 1) {
        const at = runBytes(this.index, first, number - first);
        yield { number, bytes: bytes.subarray(at, at + chunkBytes(this.index, number)) };
      }
      first += count;
    }
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
  }

  async #fill(artefact: Artefact, offset: number, bytes: Uint8Array): Promise<void> {
    const handle = this.#handles.get(artefact.name);
    let have = 0;
    while (handle !== undefined && have < bytes.length) {
      const { bytesRead } = await handle.read(bytes, have, bytes.length - have, offset + have);
      if (bytesRead === 0) break;
      have += bytesRead;
    }
    if (have < bytes.length) {
      throw new ArtefactError(`artefact ${artefact.name} is shorter than its index says`);
    }
  }
}
