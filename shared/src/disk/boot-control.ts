// How a running node marks its slots, whatever boot loader lies below. Every mark is one in-place
// write of the environment block, read back before it counts; a mark that cannot be made is an error
// and leaves the block as it was or as it was meant to be, never between.

import { otherSlot, type Slot } from "../node/slot.ts";
import { type BlockDisk, partOfDisk } from "./block-io.ts";
import {
  armTrial,
  type BootEnv,
  commitTrial,
  encodeBootEnv,
  keepTrial,
  parseBootEnv,
  rejectTrial,
  requestOther,
  settle,
  trustSlot,
  withdrawSlot,
} from "./boot-env.ts";
import { sameBytes } from "./bytes.ts";
import { BootStateError, DiskFormatError, ReadBackError } from "./disk-errors.ts";
import { openFat } from "./fat-read.ts";
import type { FoundPartition } from "./gpt-parse.ts";
import { espPaths } from "./grub-config.ts";
import { grubenvBytes } from "./grubenv.ts";
import { partitionOf } from "./layout.ts";

/** The marks a node makes. Each call is durable when it returns. */
export interface BootControl {
  /** The slot this system was booted from. */
  current(): Slot;
  /** The spare slot. */
  other(): Slot;
  state(): BootEnv;
  /** Before the spare slot is written: the loader will not fall to it. */
  withdraw(): void;
  /** The slot was verified again: the loader may fall to it. */
  trust(slot: Slot): void;
  /** Arms trial `txn` of the spare slot; repeating the order in force refreshes its count. */
  arm(candidate: Slot, tries: number, txn: number): void;
  /** A reboot ordered by a person must not cost a try. */
  keep(): void;
  /** Commits the trial this system runs in; outside a trial clears marks of earlier trouble. */
  confirm(oldVerifies: boolean): void;
  /** Gives up the trial, or records what the loader gave up. */
  reject(imageId: string): void;
  /** From the initrd: this slot positively cannot open its verity root. Answers what will happen. */
  requestOther(): readonly string[];
}

/** A `BootControl` over GRUB's environment block. `block` has exactly its 1024 bytes at offset 0. */
export function grubBootControl(block: BlockDisk, current: Slot): BootControl {
  const state = (): BootEnv => parseBootEnv(block.read(0, grubenvBytes));
  const mark = (next: BootEnv): void => {
    const bytes = encodeBootEnv(next);
    if (sameBytes(block.read(0, grubenvBytes), bytes)) return;
    block.write(0, bytes);
    if (!sameBytes(block.read(0, grubenvBytes), bytes)) {
      throw new ReadBackError("the boot state read back is not what was written");
    }
  };
  return {
    current: () => current,
    other: () => otherSlot(current),
    state,
    withdraw: () => mark(withdrawSlot(state(), otherSlot(current))),
    trust: (slot) => mark(trustSlot(state(), slot)),
    arm(candidate, tries, txn) {
      if (candidate === current) throw new BootStateError(`slot ${candidate} is the booted slot`);
      mark(armTrial(state(), candidate, tries, txn));
    },
    keep: () => mark(keepTrial(state())),
    confirm(oldVerifies) {
      const env = state();
      if (env.try === "-") return mark(settle(env, current));
      if (env.try !== current) {
        throw new BootStateError(`slot ${env.try} is on trial, slot ${current} cannot confirm it`);
      }
      mark(commitTrial(env, oldVerifies));
    },
    reject: (imageId) => mark(rejectTrial(state(), imageId)),
    requestOther() {
      const request = requestOther(state(), current);
      mark(request.env);
      return request.because;
    },
  };
}

/**
 * The environment block of a disk, found through its ESP without mounting it. `disk` must write
 * through to the medium. Throws {@link DiskFormatError} when it is not where one write can reach it.
 */
export function findGrubenv(
  disk: BlockDisk,
  gpt: { readonly partitions: readonly FoundPartition[] },
): BlockDisk {
  const esp = partitionOf(gpt, "esp");
  const inside = partOfDisk(disk, esp.offsetBytes, esp.sizeBytes);
  const place = openFat(inside).locate(espPaths.grubenv);
  if (place.sizeBytes !== grubenvBytes) {
    throw new DiskFormatError(`grubenv has ${place.sizeBytes} bytes, not ${grubenvBytes}`);
  }
  return partOfDisk(disk, esp.offsetBytes + place.offsetBytes, grubenvBytes);
}
