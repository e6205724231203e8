// Points in time as a node can know them: monotonic milliseconds are comparable only within one boot,
// so every moment carries the boot it was taken in. The wall clock is for people, never for deadlines.
import { EpochMs } from "@drover/shared/ids";
import { z } from "zod";

export const Moment = z.object({
  /** Kernel boot id. */
  bootId: z.string().min(1).max(60),
  /** Milliseconds since that boot; never steps back. */
  monotonicMs: z.number().min(0),
  wallMs: EpochMs,
});
export type Moment = z.infer<typeof Moment>;

/** `ms` after `moment`, on the same boot. */
export function after(moment: Moment, ms: number): Moment {
  return {
    bootId: moment.bootId,
    monotonicMs: moment.monotonicMs + ms,
    wallMs: moment.wallMs + ms,
  };
}

/** True when `deadline` has passed. A deadline of another boot says nothing, so it counts as passed. */
export function isOver(deadline: Moment, now: Moment): boolean {
  return deadline.bootId !== now.bootId || now.monotonicMs >= deadline.monotonicMs;
}

/** Milliseconds from `since` to `now`, or undefined when they lie in different boots. */
export function elapsedMs(since: Moment, now: Moment): number | undefined {
  return since.bootId === now.bootId ? now.monotonicMs - since.monotonicMs : undefined;
}
