// The update driver's marks, made through the boot control of the node's loader. The default slot moves
// only through `markGood`; giving up a trial never makes the running trial the default.

import type { BootControl } from "@drover/shared/disk/boot-control";
import { FleetError } from "@drover/shared/errors";
import type { Slot } from "@drover/shared/node/slot";
import type { BootReason } from "./core/update/input.ts";
import type { BootMarks } from "./node-ports.ts";

export class BootMarkError extends FleetError {
  readonly code = "boot-mark-failed";
}

export function bootMarksOf(
  control: BootControl,
  reboot: (because: string) => Promise<void>,
): BootMarks {
  return {
    async arm({ slot, bootsMax }) {
      const env = control.state();
      const isRepeat = env.try === slot;
      control.arm(slot, bootsMax, isRepeat ? env.seq : env.seq + 1);
    },
    async disarm(imageId) {
      control.reject(imageId);
      // Clears the loader's note of the fall, so that the next cold start is not read as another one.
      if (control.state().def === control.current()) control.confirm(false);
    },
    async markGood(slot, oldVerifies): Promise<Slot> {
      if (slot !== control.current()) {
        throw new BootMarkError(`slot ${slot} is not running and cannot be made the default`);
      }
      control.confirm(oldVerifies);
      return control.state().def;
    },
    reboot,
  };
}

/** Why this system runs: the block remembers a fall that a second cold start would hide. */
export function bootReasonOf(control: BootControl, kernelSays: BootReason): BootReason {
  const { why } = control.state();
  return kernelSays === "cold" && (why === "fall" || why === "late") ? why : kernelSays;
}
