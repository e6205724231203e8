// The disk and loader of a hollow node: two slots that hold image ids, and the real environment block
// under the real boot control and the model of the loader. Survives power cuts, as a disk does.

import { memoryDisk } from "@drover/shared/disk/block-io";
import { type BootControl, grubBootControl } from "@drover/shared/disk/boot-control";
import { encodeBootEnv, initialEnv, parseBootEnv } from "@drover/shared/disk/boot-env";
import { grubenvBytes } from "@drover/shared/disk/grubenv";
import { loaderStep } from "@drover/shared/disk/loader-model";
import { ImageId } from "@drover/shared/ids";
import type { Slot } from "@drover/shared/node/slot";
import { z } from "zod";
import type { BootReason } from "../core/update/input.ts";

/** What is kept of a hollow node when its process ends. */
export const HollowDiskMemory = z.object({
  a: ImageId.nullable(),
  b: ImageId.nullable(),
  grubenv: z.string(),
});
export type HollowDiskMemory = z.infer<typeof HollowDiskMemory>;

export interface PowerOn {
  /** Slot whose kernel was started, or undefined when the loader found nothing to boot. */
  readonly slot: Slot | undefined;
  readonly why: BootReason;
  readonly imageId: ImageId | null;
}

export class HollowDisk {
  readonly #block = memoryDisk(grubenvBytes);
  readonly #slots: { a: ImageId | null; b: ImageId | null };

  constructor(memory: HollowDiskMemory) {
    this.#slots = { a: memory.a, b: memory.b };
    this.#block.write(0, Buffer.from(memory.grubenv, "base64"));
  }

  /** A freshly installed disk with `imageId` in slot a. */
  static installed(imageId: ImageId): HollowDisk {
    const grubenv = Buffer.from(encodeBootEnv(initialEnv("a"))).toString("base64");
    return new HollowDisk({ a: imageId, b: null, grubenv });
  }

  get memory(): HollowDiskMemory {
    return { ...this.#slots, grubenv: Buffer.from(this.#block.bytes).toString("base64") };
  }

  imageOf(slot: Slot): ImageId | null {
    return this.#slots[slot];
  }

  /** Writes a slot; `null` while the write is under way. */
  write(slot: Slot, imageId: ImageId | null): void {
    this.#slots[slot] = imageId;
  }

  bootControl(current: Slot): BootControl {
    return grubBootControl(this.#block, current);
  }

  /** One power-on by the loader's rules. */
  powerOn(): PowerOn {
    const env = parseBootEnv(this.#block.read(0, grubenvBytes));
    const kernelLoads = { a: this.#slots.a !== null, b: this.#slots.b !== null };
    const outcome = loaderStep(env, { saveWorks: true, kernelLoads });
    if (outcome.env) this.#block.write(0, encodeBootEnv(outcome.env));
    if (outcome.boots === "rescue") return { slot: undefined, why: "resc", imageId: null };
    return { slot: outcome.boots, why: outcome.why, imageId: this.#slots[outcome.boots] };
  }
}
