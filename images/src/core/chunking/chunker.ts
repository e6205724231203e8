// Cuts a stream of bytes into chunks. Where it cuts depends on the bytes alone, never on the sizes of
// the pieces they arrive in.

import type { ChunkerParameters } from "@drover/shared/chunk/chunk-index";
import type { GearEngine } from "./gear.ts";

/** Takes one chunk; the view is only valid during the call. */
export type TakeChunk = (chunk: Uint8Array) => void;

/** One stream being cut. Fill `room()`, say how much with `filled`, close with `finish`. */
export interface Chunker {
  /** Free part of the engine's buffer; never empty. */
  room(): Uint8Array;
  /** `count` bytes were put at the start of `room()`. */
  filled(count: number, take: TakeChunk): void;
  /** No more bytes follow; the chunker starts over for the next stream. */
  finish(take: TakeChunk): void;
}

/** A chunker that owns `engine` until it is finished. */
export function createChunker(engine: GearEngine, parameters: ChunkerParameters): Chunker {
  const { data } = engine;
  let have = 0;
  const cut = (last: boolean, take: TakeChunk): void => {
    let at = 0;
    // Copied, since `take` may use the engine and the lengths are a view of its memory.
    for (const length of engine.cuts(have, parameters, last).slice()) {
      take(data.subarray(at, at + length));
      at += length;
    }
    data.copyWithin(0, at, have);
    have -= at;
  };
  return {
    room: () => data.subarray(have),
    filled(count, take) {
      have += count;
      if (have === data.length) cut(false, take);
    },
    finish(take) {
      cut(true, take);
    },
  };
}
