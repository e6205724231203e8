// A bounded queue between callbacks of the bus and a loop that takes batches. What doesn't fit is refused,
// never kept: the bus or the site sends it again.

export interface MessageQueue<Item> {
  /** False when the queue is full or closed. */
  offer(item: Item): boolean;
  /** Waits up to `waitMs` for the first item, then up to `lingerMs` for `max` of them. */
  take(request: {
    max: number;
    waitMs: number;
    lingerMs: number;
    signal: AbortSignal;
  }): Promise<Item[]>;
  clear(): Item[];
}

export function messageQueue<Item>(capacity: number): MessageQueue<Item> {
  const items: Item[] = [];
  let arrived: (() => void) | undefined;
  const waitFor = (count: number, ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((settle) => {
      if (items.length >= count || ms <= 0 || signal.aborted) return settle();
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        arrived = undefined;
        settle();
      };
      const timer = setTimeout(finish, ms);
      signal.addEventListener("abort", finish, { once: true });
      arrived = () => {
        if (items.length >= count) finish();
      };
    });
  return {
    offer(item) {
      if (items.length >= capacity) return false;
      items.push(item);
      arrived?.();
      return true;
    },
    async take({ max, waitMs, lingerMs, signal }) {
      await waitFor(1, waitMs, signal);
      if (items.length > 0) await waitFor(max, lingerMs, signal);
      return items.splice(0, max);
    },
    clear: () => items.splice(0),
  };
}
