// Leadership of a loop: hold the lease, then work with its term as the fence of every write.
import type { Clock } from "@drover/shared/clock";
import type { Fence, LeaseName, LeaseStore } from "./ports.ts";

/** A leader that does not come back is replaced after this long. */
export const leaseTtlMs = 10_000;

export interface Leading {
  readonly store: LeaseStore;
  readonly clock: Clock;
  /** Unique per running process. */
  readonly holder: string;
}

/** The fence of this holder, or null while another process leads. */
export async function lead(
  { store, clock, holder }: Leading,
  name: LeaseName,
): Promise<Extract<Fence, { kind: "loop" }> | null> {
  const term = await store.holdLease({ name, holder, now: clock.now(), ttlMs: leaseTtlMs });
  return term === null ? null : { kind: "loop", lease: name, term };
}
