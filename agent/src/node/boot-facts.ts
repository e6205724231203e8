// What was booted, by two witnesses: the loader's words and the verity root the kernel really reads
// under. The image counts as measured only when its manifest has that very root.
import type { BootControl } from "@drover/shared/disk/boot-control";
import type { ImageId, Sha256 } from "@drover/shared/ids";
import type { Manifest } from "@drover/shared/image/manifest";
import { bootReasonOf } from "../boot-marks.ts";
import type { BootFacts } from "../node-ports.ts";
import type { LoaderWords } from "./running-system.ts";

export function bootFactsOf(
  words: LoaderWords,
  control: BootControl,
  measuredVerityRoot: Sha256 | null,
  manifestOf: (imageId: ImageId) => Manifest | undefined,
): BootFacts {
  const claimed = manifestOf(words.imageId);
  const isMeasured = measuredVerityRoot !== null && claimed?.verity.rootHash === measuredVerityRoot;
  return {
    slot: words.slot,
    why: bootReasonOf(control, words.why),
    measuredVerityRoot,
    measuredImageId: isMeasured ? words.imageId : null,
  };
}
