// A pure model of what the generated grub.cfg does at one power-on, so that whole update stories can
// be simulated and the real script be compared with it.

import { otherSlot, type Slot } from "../node/slot.ts";
import type { BootEnv, BootReason } from "./boot-env.ts";

/** What the disk lets the loader do. */
export interface LoaderWorld {
  readonly saveWorks: boolean;
  /** Whether slot.cfg, kernel and initrd of the slot can be loaded. */
  readonly kernelLoads: Readonly<Record<Slot, boolean>>;
}

export interface LoaderOutcome {
  /** The block after the boot; null when it was unreadable. */
  readonly env: BootEnv | null;
  readonly boots: Slot | "rescue";
  /** What the kernel is told as `drover.why`. */
  readonly why: BootReason;
  readonly because: readonly string[];
}

/** One power-on. `env` is null when the block cannot be read or makes no sense. */
export function loaderStep(env: BootEnv | null, world: LoaderWorld): LoaderOutcome {
  if (env === null) return bootUnknown(world);
  if (env.try !== "-") return bootTrial(env, env.try, world);
  if (env.why === "resc") {
    const saved: BootEnv = world.saveWorks ? { ...env, why: "cold" } : env;
    return { env: saved, boots: "rescue", why: "resc", because: ["the system asked for rescue"] };
  }
  return bootDefault(env, env, "cold", world, ["no trial: nothing is written"]);
}

function bootTrial(env: BootEnv, slot: Slot, world: LoaderWorld): LoaderOutcome {
  if (env.left === 0) return giveUp(env, env, world, [`slot ${slot} has no tries left`]);
  const counted: BootEnv = { ...env, left: env.left - 1, last: slot, why: "try" };
  if (!world.saveWorks) {
    return bootDefault(env, env, "cold", world, ["the try cannot be counted, so it is not made"]);
  }
  if (world.kernelLoads[slot]) {
    return { env: counted, boots: slot, why: "try", because: [`try of slot ${slot}`] };
  }
  return giveUp(env, counted, world, [`slot ${slot} on trial cannot be loaded`]);
}

function giveUp(
  env: BootEnv,
  onDisk: BootEnv,
  world: LoaderWorld,
  because: string[],
): LoaderOutcome {
  const given: BootEnv = { ...env, try: "-", left: 0, ok: env.def, last: env.def, why: "fall" };
  return bootDefault(given, world.saveWorks ? given : onDisk, "fall", world, because);
}

function bootDefault(
  env: BootEnv,
  onDisk: BootEnv,
  why: BootReason,
  world: LoaderWorld,
  because: string[],
): LoaderOutcome {
  if (world.kernelLoads[env.def]) {
    return {
      env: onDisk,
      boots: env.def,
      why,
      because: [...because, `default is slot ${env.def}`],
    };
  }
  const unusable = `slot ${env.def} cannot be loaded`;
  const other = otherSlot(env.def);
  if (env.ok.includes(other) && world.kernelLoads[other]) {
    return { env: onDisk, boots: other, why: "late", because: [...because, unusable] };
  }
  const none = `slot ${other} is not good or cannot be loaded`;
  return { env: onDisk, boots: "rescue", why: "resc", because: [...because, unusable, none] };
}

function bootUnknown(world: LoaderWorld): LoaderOutcome {
  const because = ["the boot state is unreadable: slot a, then slot b"];
  if (world.kernelLoads.a) return { env: null, boots: "a", why: "cold", because };
  if (world.kernelLoads.b) return { env: null, boots: "b", why: "late", because };
  return { env: null, boots: "rescue", why: "resc", because };
}
