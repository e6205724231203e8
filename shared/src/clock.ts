// Time as a port. Decisions take `now` as an argument; only shells hold a Clock.

/** Wall-clock and monotonic time, and a way to wait that a simulation can drive. */
export interface Clock {
  /** Wall clock, epoch milliseconds. */
  now(): number;
  /** Milliseconds since an arbitrary start; never steps back. */
  monotonicMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}
