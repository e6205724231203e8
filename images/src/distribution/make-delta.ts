// Makes the delta object between two images: each run of missing chunks becomes one zstd frame whose
// dictionary is the old chunks most like it, or a plain frame where that is shorter.

import {
  type ChunkIndex,
  chunkBytes,
  imageBytes,
  runBytes,
} from "@drover/shared/chunk/chunk-index";
import { deltaPointerPath } from "@drover/shared/chunk/content-layout";
import { type DeltaOp, deltaLimits, type LiteralOp } from "@drover/shared/chunk/delta";
import { encodeDeltaHeader, encodeDeltaPrefix } from "@drover/shared/chunk/delta-codec";
import { sha256 } from "@drover/shared/chunk/digest";
import type { EncodedIndex } from "@drover/shared/chunk/index-codec";
import { chooseDictionary } from "../core/chunking/choose-dictionary.ts";
import {
  diffIndexes,
  type IndexDifference,
  type MissingRun,
} from "../core/chunking/diff-indexes.ts";
import { Fingerprints, type Votes } from "../core/chunking/fingerprints.ts";
import { createEngine, type GearEngine } from "../core/chunking/gear.ts";
import { type ArtefactFile, ArtefactFiles } from "./artefact-files.ts";
import type { ContentSink } from "./content-sink.ts";
import { OrderedJobs } from "./ordered-jobs.ts";
import type { MakeOptions } from "./progress.ts";
import { SpoolFile } from "./spool-file.ts";
import { canBeDictionary, compress, compressWith } from "./zstd.ts";

/** What was made. */
export interface MadeDelta {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Part of `sizeBytes` that is prefix and header, the new index included. */
  readonly headerBytes: number;
  readonly frameCount: number;
  /** Raw bytes in frames. */
  readonly literalBytes: number;
}

/** Puts the delta and its pointer. */
export async function makeDelta(
  input: {
    readonly base: ChunkIndex;
    readonly baseArtefacts: readonly ArtefactFile[];
    readonly next: EncodedIndex;
    readonly nextArtefacts: readonly ArtefactFile[];
    readonly sink: ContentSink;
    readonly scratchFolder: string;
    /** zstd level of the frames; 9 unless said. */
    readonly level?: number;
    readonly engine?: GearEngine;
  } & MakeOptions,
): Promise<MadeDelta> {
  const baseFiles = await ArtefactFiles.open(input.base, input.baseArtefacts);
  try {
    const nextFiles = await ArtefactFiles.open(input.next.index, input.nextArtefacts);
    const frames = await SpoolFile.create(input.scratchFolder);
    try {
      const engine = input.engine ?? createEngine();
      const encoder = new DeltaEncoder(baseFiles, nextFiles, frames, engine, input.level ?? 9);
      const ops = await encoder.encode(input);
      return await assemble(input, ops, frames);
    } finally {
      await frames.discard();
      await nextFiles.close();
    }
  } finally {
    await baseFiles.close();
  }
}

async function assemble(
  input: {
    readonly base: ChunkIndex;
    readonly next: EncodedIndex;
    readonly sink: ContentSink;
    readonly scratchFolder: string;
  },
  ops: readonly DeltaOp[],
  frames: SpoolFile,
): Promise<MadeDelta> {
  const { index: newIndex, header: newHeader } = input.next;
  const baseRoot = input.base.root;
  const header = encodeDeltaHeader({ baseRoot, newIndex, newHeader, ops });
  const headerFrame = await compress(header, 19);
  const spool = await SpoolFile.create(input.scratchFolder);
  try {
    await spool.append(encodeDeltaPrefix(headerFrame, header.length));
    await spool.append(headerFrame);
    const headerBytes = spool.sizeBytes;
    for await (const piece of frames.pieces()) await spool.append(piece);
    const { path, digest, sizeBytes } = spool.finish();
    await input.sink.putFile({ kind: "delta", digest }, path);
    const pointerPath = deltaPointerPath(baseRoot, newIndex.root);
    await input.sink.putPointer(pointerPath, { v: 1, digest, sizeBytes });
    const literals = ops.filter((op) => op.kind === "literal");
    const literalBytes = literals.reduce(
      (sum, op) => sum + runBytes(newIndex, op.first, op.count),
      0,
    );
    return { digest, sizeBytes, headerBytes, frameCount: literals.length, literalBytes };
  } finally {
    await spool.discard();
  }
}

class DeltaEncoder {
  readonly #base: ArtefactFiles;
  readonly #next: ArtefactFiles;
  readonly #frames: SpoolFile;
  readonly #engine: GearEngine;
  readonly #level: number;

  constructor(
    base: ArtefactFiles,
    next: ArtefactFiles,
    frames: SpoolFile,
    engine: GearEngine,
    level: number,
  ) {
    this.#base = base;
    this.#next = next;
    this.#frames = frames;
    this.#engine = engine;
    this.#level = level;
  }

  /** Writes all frames and returns the operations in order. */
  async encode({ onProgress, signal }: MakeOptions): Promise<DeltaOp[]> {
    const differences = diffIndexes(this.#base.index, this.#next.index);
    const baseBytes = imageBytes(this.#base.index);
    const totalBytes = baseBytes + imageBytes(this.#next.index);
    const isNeeded = differences.some((difference) => difference.kind === "missing");
    const fingerprints = new Fingerprints(this.#engine, isNeeded ? baseBytes : 0);
    if (isNeeded) {
      for await (const { number, bytes } of this.#base.chunks()) {
        signal?.throwIfAborted();
        fingerprints.add(number, bytes);
        onProgress?.({ doneBytes: this.#base.index.offsets[number + 1] ?? 0, totalBytes });
      }
    }
    const ops: DeltaOp[] = [];
    const jobs = new OrderedJobs<DeltaOp | { op: LiteralOp; frame: Uint8Array }>(
      2,
      async (made) => {
        if ("frame" in made) await this.#frames.append(made.frame);
        const op = "frame" in made ? made.op : made;
        ops.push(op);
        const nextBytes = this.#next.index.offsets[op.first + op.count] ?? 0;
        onProgress?.({ doneBytes: baseBytes + nextBytes, totalBytes });
      },
    );
    for (const [position, difference] of differences.entries()) {
      signal?.throwIfAborted();
      await jobs.add(
        difference.kind === "missing"
          ? this.#encodeRun(differences, position, difference, fingerprints)
          : Promise.resolve(difference),
      );
    }
    await jobs.finish();
    return ops;
  }

  async #encodeRun(
    differences: readonly IndexDifference[],
    position: number,
    run: MissingRun,
    fingerprints: Fingerprints,
  ): Promise<{ op: LiteralOp; frame: Uint8Array }> {
    const { index } = this.#next;
    const plain = await this.#next.read(run.first, run.count);
    const votes: Votes = new Map();
    for (let number = run.first; number < run.first + run.count; number += 1) {
      const at = runBytes(index, run.first, number - run.first);
      fingerprints.vote(plain.subarray(at, at + chunkBytes(index, number)), votes);
    }
    const base = this.#base.index;
    const numbers = chooseDictionary({ base, next: index, differences, position, run, votes });
    const { frame, dictionary } = await this.#shortestFrame(plain, numbers);
    const check = sha256(frame).slice(0, deltaLimits.checkBytes);
    const { first, count } = run;
    const frameBytes = frame.length;
    return { op: { kind: "literal", first, count, frameBytes, check, dictionary }, frame };
  }

  async #shortestFrame(
    plain: Uint8Array,
    numbers: readonly number[],
  ): Promise<{ frame: Uint8Array; dictionary: readonly number[] }> {
    const content = await this.#readDictionary(numbers);
    const plainFrame = compress(plain, this.#level);
    if (!canBeDictionary(content)) return { frame: await plainFrame, dictionary: [] };
    const [alone, helped] = await Promise.all([
      plainFrame,
      compressWith(content, plain, this.#level),
    ]);
    return helped.length < alone.length
      ? { frame: helped, dictionary: numbers }
      : { frame: alone, dictionary: [] };
  }

  async #readDictionary(numbers: readonly number[]): Promise<Uint8Array> {
    const { index } = this.#base;
    const sizeBytes = numbers.reduce((sum, number) => sum + chunkBytes(index, number), 0);
    const content = new Uint8Array(sizeBytes);
    let at = 0;
    for (const number of numbers) {
      const bytes = await this.#base.read(number, 1);
      content.set(bytes, at);
      at += bytes.length;
    }
    return content;
  }
}
