// Carries out a plan over ports and verifies every chunk before it is written. Bad bytes from the
// wire end the run with an error; bad bytes of an image at hand only mark the chunks that could not
// be made, so that the caller can plan those again from packs.

import type { ApplyPlan } from "./apply-plan.ts";
import { type ChunkIndex, chunkBytes, chunkId, runBytes } from "./chunk-index.ts";
import { isFrameIntact } from "./delta-codec.ts";
import { sameBytes, sha256 } from "./digest.ts";
import { ChunkDigestError } from "./errors.ts";
import type { FetchRange, FrameUse } from "./fetch-ranges.ts";
import { splitFrames } from "./split-frames.ts";

/** What a run needs from its surroundings. Runs never cross an artefact. */
export interface ApplyPorts {
  /** Raw bytes of chunks of a source; whatever is there, unverified. Only used until the next read. */
  readSource(source: number, first: number, count: number): Promise<Uint8Array>;
  /** Raw bytes of chunks of the new image that are right or were written before. Used like those of a source. */
  readNew(first: number, count: number): Promise<Uint8Array>;
  /** Takes verified bytes; they are only valid until the promise settles. */
  write(first: number, count: number, bytes: Uint8Array): Promise<void>;
  /** Exactly the bytes of the range, in order. */
  fetch(range: FetchRange): AsyncIterable<Uint8Array>;
  /** Expands one zstd frame; throws unless the result has exactly `plainBytes`. */
  inflate(frame: Uint8Array, plainBytes: number, dictionary?: Uint8Array): Promise<Uint8Array>;
}

/** How a run ended. */
export interface ApplyOutcome {
  readonly writtenBytes: number;
  /** Chunks not written because an image at hand did not hold what its index says. */
  readonly unmade: readonly number[];
}

const copyBytesMax = 4 * 1024 * 1024;

/** Throws {@link ChunkDigestError} when fetched bytes are not the ones named. */
export async function applyPlan(input: {
  readonly plan: ApplyPlan;
  readonly newIndex: ChunkIndex;
  /** Index of each source, in the order the plan was made with. */
  readonly sources: readonly ChunkIndex[];
  readonly ports: ApplyPorts;
}): Promise<ApplyOutcome> {
  const run = new ApplyRun(input.newIndex, input.sources[0], input.ports);
  for (const { source, fromFirst, first, count } of input.plan.copies) {
    await run.copy(first, count, (skip, part) =>
      input.ports.readSource(source, fromFirst + skip, part),
    );
  }
  for (const range of input.plan.fetches) await run.fetch(range);
  for (const { fromFirst, first, count } of input.plan.repeats) {
    await run.copy(first, count, (skip, part) => input.ports.readNew(fromFirst + skip, part));
  }
  return run.outcome();
}

class ApplyRun {
  readonly #index: ChunkIndex;
  readonly #base: ChunkIndex | undefined;
  readonly #ports: ApplyPorts;
  readonly #unmade: number[] = [];
  #writtenBytes = 0;

  constructor(index: ChunkIndex, base: ChunkIndex | undefined, ports: ApplyPorts) {
    this.#index = index;
    this.#base = base;
    this.#ports = ports;
  }

  /** Copies a run in parts of a few MiB; `read` gets the number of chunks to skip and to read. */
  async copy(
    first: number,
    count: number,
    read: (skip: number, part: number) => Promise<Uint8Array>,
  ): Promise<void> {
    let skip = 0;
    while (skip < count) {
      let part = 1;
      while (skip + part < count && runBytes(this.#index, first + skip, part + 1) <= copyBytesMax) {
        part += 1;
      }
      await this.#writeRight(first + skip, part, await read(skip, part));
      skip += part;
    }
  }

  async fetch(range: FetchRange): Promise<void> {
    for await (const { frame, bytes } of splitFrames(range, this.#ports.fetch(range))) {
      if (frame.check !== undefined && !isFrameIntact(frame.check, bytes)) {
        throw new ChunkDigestError(
          `a frame at ${frame.offset} of ${range.object.digest} is damaged`,
        );
      }
      await this.#writeFrame(range, frame, bytes);
    }
  }

  outcome(): ApplyOutcome {
    return { writtenBytes: this.#writtenBytes, unmade: this.#unmade };
  }

  async #writeFrame(range: FetchRange, frame: FrameUse, bytes: Uint8Array): Promise<void> {
    const { first, count, plainBytes } = frame;
    const dictionary = await this.#readDictionary(frame.dictionary);
    if (dictionary === "damaged") {
      this.#markUnmade(first, count);
      return;
    }
    const plain = await this.#inflate(range, frame, bytes, dictionary);
    if (plain.length !== plainBytes || this.#firstWrong(first, count, plain) !== undefined) {
      throw new ChunkDigestError(
        `a frame at ${frame.offset} of ${range.object.digest} gave wrong bytes`,
      );
    }
    await this.#write(first, count, plain);
  }

  async #inflate(
    range: FetchRange,
    frame: FrameUse,
    bytes: Uint8Array,
    dictionary: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    try {
      return await this.#ports.inflate(bytes, frame.plainBytes, dictionary);
    } catch (cause) {
      const where = `a frame at ${frame.offset} of ${range.object.digest}`;
      throw new ChunkDigestError(`expanding ${where} failed`, { cause });
    }
  }

  /** The dictionary's bytes, each chunk verified: a wrong one would spoil the frame silently. */
  async #readDictionary(numbers: readonly number[]): Promise<Uint8Array | undefined | "damaged"> {
    const base = this.#base;
    if (numbers.length === 0 || base === undefined) return undefined;
    const sizeBytes = numbers.reduce((sum, number) => sum + chunkBytes(base, number), 0);
    const dictionary = new Uint8Array(sizeBytes);
    let at = 0;
    for (const number of numbers) {
      const bytes = await this.#ports.readSource(0, number, 1);
      if (!isChunk(base, number, bytes)) return "damaged";
      dictionary.set(bytes, at);
      at += bytes.length;
    }
    return dictionary;
  }

  /** Writes the right chunks of a run and marks the others. */
  async #writeRight(first: number, count: number, bytes: Uint8Array): Promise<void> {
    let start = 0;
    while (start < count) {
      const skipBytes = runBytes(this.#index, first, start);
      const rest = bytes.subarray(skipBytes);
      const good = this.#firstWrong(first + start, count - start, rest) ?? count - start;
      if (good > 0) {
        const goodBytes = runBytes(this.#index, first + start, good);
        await this.#write(first + start, good, rest.subarray(0, goodBytes));
      }
      if (start + good < count) this.#markUnmade(first + start + good, 1);
      start += good + 1;
    }
  }

  /** Position in the run of the first chunk whose bytes are not the ones named. */
  #firstWrong(first: number, count: number, bytes: Uint8Array): number | undefined {
    for (let i = 0; i < count; i += 1) {
      const at = runBytes(this.#index, first, i);
      const chunk = bytes.subarray(at, at + chunkBytes(this.#index, first + i));
      if (!isChunk(this.#index, first + i, chunk)) return i;
    }
    return undefined;
  }

  async #write(first: number, count: number, bytes: Uint8Array): Promise<void> {
    await this.#ports.write(first, count, bytes);
    this.#writtenBytes += bytes.length;
  }

  #markUnmade(first: number, count: number): void {
    for (let number = first; number < first + count; number += 1) this.#unmade.push(number);
  }
}

/** True when `bytes` are chunk `number` of the index. */
export function isChunk(index: ChunkIndex, number: number, bytes: Uint8Array): boolean {
  return (
    bytes.length === chunkBytes(index, number) && sameBytes(sha256(bytes), chunkId(index, number))
  );
}
