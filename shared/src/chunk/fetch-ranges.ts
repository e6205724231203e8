// Merges the frames that a plan needs into ranges, one request each. Frames keep their place, and a
// range never holds more unneeded bytes between two frames than the caller allows.

import type { ContentName } from "./content-layout.ts";

/** One frame and the chunks it gives. */
/** Frames of packs closer than this share a request: cheaper than another round trip. */
export const requestGapBytes = 8 * 1024;

export interface FrameUse {
  /** The pack or delta object that holds the frame. */
  readonly object: ContentName;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly first: number;
  readonly count: number;
  readonly plainBytes: number;
  /** Chunk numbers of source 0 whose bytes are the zstd dictionary; empty for none. */
  readonly dictionary: readonly number[];
  /** First bytes of the frame's SHA-256, where the object names them. */
  readonly check?: Uint8Array;
}

/** One contiguous part of an object; its frames are in ascending order. */
export interface FetchRange {
  readonly object: ContentName;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly frames: readonly FrameUse[];
}

/** Longest range, so that one lost connection never repeats much and a request stays cacheable. */
export const rangeBytesMax = 8 * 1024 * 1024;

/** Ranges in order of first use; inside an object by offset. */
export function mergeFrames(frames: readonly FrameUse[], gapBytesMax: number): FetchRange[] {
  const objects = new Map<string, FrameUse[]>();
  for (const frame of frames) {
    const list = objects.get(frame.object.digest);
    if (list === undefined) objects.set(frame.object.digest, [frame]);
    else list.push(frame);
  }
  const ranges: { object: ContentName; offset: number; sizeBytes: number; frames: FrameUse[] }[] =
    [];
  for (const list of objects.values()) {
    list.sort((left, right) => left.offset - right.offset);
    for (const frame of list) {
      const last = ranges.at(-1);
      const end = frame.offset + frame.sizeBytes;
      if (
        last !== undefined &&
        last.object.digest === frame.object.digest &&
        frame.offset >= last.offset + last.sizeBytes &&
        frame.offset - (last.offset + last.sizeBytes) <= gapBytesMax &&
        end - last.offset <= rangeBytesMax
      ) {
        last.frames.push(frame);
        last.sizeBytes = end - last.offset;
      } else {
        const { object, offset, sizeBytes } = frame;
        ranges.push({ object, offset, sizeBytes, frames: [frame] });
      }
    }
  }
  return ranges;
}
