// A delta object: how to make all artefacts of one image from those of another. Its operations are
// also the new index in short form, so a parsed delta has proved its new index before any payload.

import type { ChunkIndex } from "./chunk-index.ts";

export const deltaLimits = {
  prefixBytes: 48,
  headerBytesMax: 64 * 1024 * 1024,
  /** Raw bytes of one literal frame. */
  literalBytesMax: 1024 * 1024,
  /** zstd finds little in larger dictionaries, and a small node has to hold one. */
  dictionaryBytesMax: 4 * 1024 * 1024,
  /** Bytes of SHA-256 kept per frame: they tell a damaged transfer from a damaged base. */
  checkBytes: 8,
} as const;

/** Upper bound for the zstd frame of `plainBytes` raw bytes. */
export function frameBytesMax(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / 128) + 1024;
}

/** `count` chunks from `first` are the base's chunks from `baseFirst`. */
export interface CopyOp {
  readonly kind: "copy";
  readonly first: number;
  readonly count: number;
  readonly baseFirst: number;
}

/** `count` chunks from `first` are the new image's own chunks from `fromFirst`, which is lower. */
export interface RepeatOp {
  readonly kind: "repeat";
  readonly first: number;
  readonly count: number;
  readonly fromFirst: number;
}

/** `count` chunks from `first` come from one zstd frame of the delta object. */
export interface LiteralOp {
  readonly kind: "literal";
  readonly first: number;
  readonly count: number;
  /** Length of the frame, in bytes. */
  readonly frameBytes: number;
  /** First bytes of the frame's SHA-256. */
  readonly check: Uint8Array;
  /** Base chunk numbers, ascending, whose bytes in that order are the zstd dictionary; may be empty. */
  readonly dictionary: readonly number[];
}

export type DeltaOp = CopyOp | RepeatOp | LiteralOp;

/** The fixed start of a delta object. */
export interface DeltaPrefix {
  /** Length of the zstd frame with the header, which follows the prefix. */
  readonly headerFrameBytes: number;
  /** Length of the header once expanded. */
  readonly headerBytes: number;
  /** SHA-256 of the header's frame, hex. */
  readonly headerFrameDigest: string;
}

/** A parsed delta whose new index is complete and proved. */
export interface Delta {
  readonly baseRoot: string;
  readonly newIndex: ChunkIndex;
  readonly ops: readonly DeltaOp[];
  /** Where each operation's frame starts in the object; undefined for copies and repeats. */
  readonly frameOffsets: readonly (number | undefined)[];
  /** Length of the whole object, in bytes. */
  readonly objectBytes: number;
}
