// Proves at start-up that zstd honours dictionaries. Some Node releases (22.15 to 22.18) accept the
// option and ignore it, which would make deltas that no correct receiver can expand.

import { sameBytes } from "@drover/shared/chunk/digest";
import { FleetError } from "@drover/shared/errors";
import { seededRandom } from "@drover/shared/random";
import { compressWith, expand } from "./zstd.ts";

/** This Node can't make or read deltas. */
export class ZstdUnfitError extends FleetError {
  readonly code = "zstd-dictionary-ignored";
}

/** Throws {@link ZstdUnfitError} unless a frame made with a dictionary uses and needs it. */
export async function testZstdDictionaries(codec = { compressWith, expand }): Promise<void> {
  const random = seededRandom(1);
  const content = Uint8Array.from({ length: 4096 }, () => random.integer(256));
  const frame = await codec.compressWith(content, content, 3);
  if (frame.length > content.length / 4) {
    throw new ZstdUnfitError("this Node's zstd ignores dictionaries; use Node 24");
  }
  const plain = await codec.expand(frame, content.length, content);
  if (!sameBytes(plain, content)) {
    throw new ZstdUnfitError("this Node's zstd expands frames with dictionaries wrongly");
  }
}
