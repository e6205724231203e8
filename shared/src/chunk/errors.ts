// The two ways chunked content is refused: its shape is wrong, or its bytes are not the ones named.

import { FleetError } from "../errors.ts";

/** Bytes that are not a well-formed index, pack table or delta of a version we read. */
export class ChunkFormatError extends FleetError {
  readonly code = "chunk-format-invalid";
}

/** Well-formed bytes whose SHA-256 is not the one that was asked for. */
export class ChunkDigestError extends FleetError {
  readonly code = "chunk-digest-mismatch";
}

/** Throws {@link ChunkFormatError} with `sentence` unless `condition` holds. */
export function formatRule(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new ChunkFormatError(sentence);
}
