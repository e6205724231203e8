// Cuts a fetched range, which arrives in pieces of any size, into its frames. Holds at most one
// frame and one piece in memory, and refuses a range that is shorter or longer than was asked for.

import { ChunkDigestError } from "./errors.ts";
import type { FetchRange, FrameUse } from "./fetch-ranges.ts";

/** The frames of `range` with their bytes, in order. */
export async function* splitFrames(
  range: FetchRange,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly frame: FrameUse; readonly bytes: Uint8Array }> {
  const frames = range.frames[Symbol.iterator]();
  let current = frames.next();
  let collected = new Uint8Array(current.done === true ? 0 : current.value.sizeBytes);
  let at = range.offset;
  for await (const piece of pieces) {
    let used = 0;
    while (current.done !== true && used < piece.length) {
      const frame = current.value;
      // Bytes in a gap between two frames are passed over.
      if (at < frame.offset) {
        const gapBytes = Math.min(frame.offset - at, piece.length - used);
        used += gapBytes;
        at += gapBytes;
        continue;
      }
      const have = at - frame.offset;
      const part = piece.subarray(used, used + frame.sizeBytes - have);
      collected.set(part, have);
      used += part.length;
      at += part.length;
      if (have + part.length < frame.sizeBytes) continue;
      yield { frame, bytes: collected };
      current = frames.next();
      collected = new Uint8Array(current.done === true ? 0 : current.value.sizeBytes);
    }
    if (used < piece.length) throw new ChunkDigestError(`${range.object} sent more than asked for`);
  }
  if (current.done !== true) throw new ChunkDigestError(`${range.object} sent less than asked for`);
}
