// Reads cached images again in idle time, one after the other, so that damage is found before a node needs
// the bytes. What is damaged is evicted by the cache and fetched afresh by the site's upkeep.
import type { Clock } from "@drover/shared/clock";
import { describeError } from "@drover/shared/errors";
import type { ImageId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";

export interface ScrubParts {
  readonly cache: {
    whole(): readonly ImageId[];
    /** True when the image is intact. */
    scrub(imageId: ImageId): Promise<boolean>;
  };
  readonly clock: Clock;
  readonly log: Log;
}

/** Every image is read about once in this time. */
export const scrubRoundMs = 86_400_000;

/** Runs until the signal aborts; never throws. The first image is read after its share of a round. */
export async function scrubCache(parts: ScrubParts, signal: AbortSignal): Promise<void> {
  const { cache, clock, log } = parts;
  let last: ImageId | undefined;
  while (!signal.aborted) {
    const images = [...cache.whole()].sort();
    try {
      await clock.wait(scrubRoundMs / Math.max(1, images.length), signal);
    } catch {
      // Stopping: the loop looks at the signal itself.
      continue;
    }
    last = nextAfter([...cache.whole()].sort(), last);
    if (last === undefined) continue;
    try {
      await cache.scrub(last);
    } catch (error) {
      log.error({ imageId: last, error: describeError(error) }, "cached image could not be read");
    }
  }
}

/** Round robin by image id. */
function nextAfter(images: readonly ImageId[], last: ImageId | undefined): ImageId | undefined {
  return images.find((imageId) => last === undefined || imageId > last) ?? images[0];
}
