// What writing a slot answers, and how it fails.
import { FleetError } from "@drover/shared/errors";

/** The slot was not written; it stays marked unusable. */
export class SlotWriteError extends FleetError {
  readonly code = "slot-write-failed";
}

/** Where the bytes of a written artefact came from. */
export interface SlotTally {
  /** Already right in the slot: not written again. */
  readonly keptBytes: number;
  /** From another slot of this disk. */
  readonly copiedBytes: number;
  /** From the site. */
  readonly fetchedBytes: number;
}

export function addTallies(a: SlotTally, b: SlotTally): SlotTally {
  return {
    keptBytes: a.keptBytes + b.keptBytes,
    copiedBytes: a.copiedBytes + b.copiedBytes,
    fetchedBytes: a.fetchedBytes + b.fetchedBytes,
  };
}
