// The update driver's slot writer on a real disk. The loader is told to forget the spare slot before its
// first byte changes; the booted slot is only read, as a seed.
import { setTimeout as wait } from "node:timers/promises";
import type { BootControl } from "@drover/shared/disk/boot-control";
import { describeError, FleetError } from "@drover/shared/errors";
import type { ImageId } from "@drover/shared/ids";
import { imageBytes } from "@drover/shared/image/manifest";
import type { Log } from "@drover/shared/log";
import type { SlotWriter } from "../node-ports.ts";
import { type BlockDevice, forgetCachedBlocks } from "./block-device.ts";
import type { ImageMemory } from "./image-memory.ts";
import { agentPeakBytes } from "./read-health.ts";
import type { Seed } from "./root-slot.ts";
import { type DiskParts, slotSeed, writeSlot } from "./write-slot.ts";

/** The order was for the slot this system runs from. */
export class BootedSlotError extends FleetError {
  readonly code = "slot-is-booted";
}

export interface SlotWriterParts {
  readonly device: BlockDevice;
  readonly parts: DiskParts;
  readonly control: BootControl;
  readonly images: ImageMemory;
  /** Images that the site can deliver whole. */
  deliverable(): Promise<readonly ImageId[]>;
  bootedImage(): ImageId | null;
  readonly log: Log;
  /** One line for the console. */
  say(line: string): void;
}

const askEveryMs = 5_000;

export function diskSlotWriter(parts: SlotWriterParts): SlotWriter {
  const { device, control, images, log, say } = parts;
  return {
    async prefetch(imageId, onProgress, signal) {
      while (!(await parts.deliverable()).includes(imageId))
        await wait(askEveryMs, undefined, { signal });
      const manifest = await images.manifest(imageId);
      const totalBytes = imageBytes(manifest);
      onProgress(totalBytes, totalBytes);
      return { verityRoot: manifest.verity.rootHash, totalBytes };
    },
    async write({ slot, imageId }, signal) {
      if (slot !== control.other())
        throw new BootedSlotError(`slot ${slot} is running and is never written`);
      const image = await images.open(imageId, signal);
      const seeds = await seedsOf(parts, signal);
      control.withdraw();
      say(`writing slot ${slot} image ${imageId.slice(0, 8)}`);
      const written = await writeSlot({
        ...image,
        device,
        parts: parts.parts,
        slot,
        seeds,
        forgetCached: forgetCachedBlocks,
        onProgress: () => undefined,
        signal,
      });
      const { keptBytes, copiedBytes, fetchedBytes } = written.tally;
      log.info({ slot, imageId, ...written.tally }, "slot was written");
      say(
        `slot ${slot} written: ${keptBytes} kept, ${copiedBytes} copied, ${fetchedBytes} fetched; agent peak ${Math.round(agentPeakBytes() / 1e6)} MB`,
      );
      return written.verityRoot;
    },
  };
}

/** The booted slot, when the site still has its image's index; without it the site gives all bytes. */
async function seedsOf(parts: SlotWriterParts, signal: AbortSignal): Promise<Seed[]> {
  const imageId = parts.bootedImage();
  if (!imageId) return [];
  try {
    const { index } = await parts.images.open(imageId, signal);
    return [slotSeed(parts.device, parts.parts, parts.control.current(), index)];
  } catch (error) {
    signal.throwIfAborted();
    parts.log.info({ imageId, error: describeError(error) }, "booted slot gave no seed");
    return [];
  }
}
