// Cuts a fetched range, which arrives in pieces of any size, into its frames. Holds at most one
// frame and one piece in memory, and refuses a range that is shorter or longer than was asked for.

import { ChunkDigestError } from "./errors.ts";
import type { FetchRange, FrameUse } from "./fetch-ranges.ts";

/** A frame of a range with its bytes, which are valid until the next frame is asked for. */
export interface FetchedFrame {
  readonly frame: FrameUse;
  readonly bytes: Uint8Array;
}

/** The frames of `range` in order. */
export async function* splitFrames(
  range: FetchRange,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<FetchedFrame> {
  const collector = new FrameCollector(range);
  for await (const piece of pieces) yield* collector.add(piece);
  if (collector.isWaiting)
    throw new ChunkDigestError(`${range.object.digest} sent less than asked for`);
}

class FrameCollector {
  readonly #range: FetchRange;
  #frameNumber = 0;
  /** Used again for every frame: fresh ones would pile up until they are collected. */
  #buffer = new Uint8Array();
  /** Position in the object of the next byte to come. */
  #at: number;

  constructor(range: FetchRange) {
    this.#range = range;
    this.#at = range.offset;
  }

  get isWaiting(): boolean {
    return this.#frameNumber < this.#range.frames.length;
  }

  /** The frames that `piece` completes. */
  *add(piece: Uint8Array): Generator<FetchedFrame> {
    let rest = piece;
    while (rest.length > 0) {
      const frame = this.#range.frames[this.#frameNumber];
      if (frame === undefined) {
        throw new ChunkDigestError(`${this.#range.object.digest} sent more than asked for`);
      }
      const used = this.#take(frame, rest);
      this.#at += used;
      rest = rest.subarray(used);
      if (this.#at < frame.offset + frame.sizeBytes) continue;
      yield { frame, bytes: this.#buffer.subarray(0, frame.sizeBytes) };
      this.#frameNumber += 1;
    }
  }

  /** How many bytes were used: of the gap before `frame`, else of the frame itself. */
  #take(frame: FrameUse, bytes: Uint8Array): number {
    if (this.#at < frame.offset) return Math.min(frame.offset - this.#at, bytes.length);
    const have = this.#at - frame.offset;
    const part = bytes.subarray(0, frame.sizeBytes - have);
    if (this.#buffer.length < frame.sizeBytes) this.#buffer = new Uint8Array(frame.sizeBytes);
    this.#buffer.set(part, have);
    return part.length;
  }
}
