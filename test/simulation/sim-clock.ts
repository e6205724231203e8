// Simulated time: a queue of events in order of time, then of making. Between two events everything
// that promises can do is done, so a run depends on its seed alone.
import type { Clock } from "@drover/shared/clock";

export interface SimClock extends Clock {
  /** Runs `action` after `delayMs`; the returned function takes it back. */
  after(delayMs: number, action: () => void): () => void;
  /** Runs events until simulated time is `untilMs`. */
  runUntil(untilMs: number): Promise<void>;
  readonly eventCount: number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  action: (() => void) | null;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function simClock(startMs: number): SimClock {
  const heap: Event[] = [];
  let now = startMs;
  let order = 0;
  let eventCount = 0;
  const after = (delayMs: number, action: () => void): (() => void) => {
    order += 1;
    const event: Event = { at: now + Math.max(0, delayMs), order, action };
    push(heap, event);
    return () => {
      event.action = null;
    };
  };
  return {
    now: () => now,
    monotonicMs: () => now - startMs,
    after,
    wait: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const onAbort = (): void => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = after(ms, () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        signal?.addEventListener("abort", onAbort, { once: true });
      }),
    runUntil: async (untilMs) => {
      await settle();
      for (let next = heap[0]; next !== undefined && next.at <= untilMs; next = heap[0]) {
        pop(heap);
        if (next.action === null) continue;
        now = next.at;
        eventCount += 1;
        next.action();
        await settle();
      }
      now = untilMs;
    },
    get eventCount() {
      return eventCount;
    },
  };
}

const isBefore = (a: Event, b: Event): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let index = heap.push(event) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || isBefore(above, event)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    const left = heap[child];
    const right = heap[child + 1];
    if (left === undefined) break;
    if (right !== undefined && isBefore(right, left)) child += 1;
    const smaller = child === 2 * index + 1 ? left : right;
    if (smaller === undefined || isBefore(last, smaller)) break;
    heap[index] = smaller;
    index = child;
  }
  heap[index] = last;
}
