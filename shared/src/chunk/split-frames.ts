// Cuts a fetched range, which arrives in pieces of any size, into its frames. Holds at most one
// frame and one piece in memory, and refuses a range that is shorter or longer than was asked for.

import { ChunkDigestError } from "./errors.ts";
import type { FetchRange, FrameUse } from "./fetch-ranges.ts";

/** A frame of a range with its bytes. */
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
  #bytes: Uint8Array;
  /** Position in the object of the next byte to come. */
  #at: number;

  constructor(range: FetchRange) {
    this.#range = range;
    this.#at = range.offset;
    this.#bytes = new Uint8Array(range.frames[0]?.sizeBytes ?? 0);
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
      yield { frame, bytes: this.#bytes };
      this.#frameNumber += 1;
      this.#bytes = new Uint8Array(this.#range.frames[this.#frameNumber]?.sizeBytes ?? 0);
    }
  }

  /** How many bytes were used: of the gap before `frame`, else of the frame itself. */
  #take(frame: FrameUse, bytes: Uint8Array): number {
    if (this.#at < frame.offset) return Math.min(frame.offset - this.#at, bytes.length);
    const have = this.#at - frame.offset;
    const part = bytes.subarray(0, frame.sizeBytes - have);
    this.#bytes.set(part, have);
    return part.length;
  }
}
