// The loop breaker's memory: when each client was last given a loader binary. Three within five
// minutes means the loader comes back to firmware for ever, so a fourth is refused.

export const chainloadsMax = 3;
export const chainloadWindowMs = 5 * 60_000;
const clientsMax = 4096;

export interface ChainloadView {
  /** Times (epoch ms) within the window before `now`, oldest first. */
  recent(key: string, now: number): readonly number[];
}

export class ChainloadLog implements ChainloadView {
  readonly #times = new Map<string, number[]>();

  recent(key: string, now: number): readonly number[] {
    return (this.#times.get(key) ?? []).filter((at) => at > now - chainloadWindowMs && at <= now);
  }

  /** Remembers one loader given; forgets the client that was quiet longest when there are too many. */
  record(key: string, at: number): void {
    const times = [...this.recent(key, at), at];
    this.#times.delete(key);
    this.#times.set(key, times);
    const quietest = this.#times.keys().next().value;
    if (this.#times.size > clientsMax && quietest !== undefined) this.#times.delete(quietest);
  }
}
