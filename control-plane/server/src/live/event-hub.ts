// Tells open consoles what to look at again. Events carry no data, so they may be merged, and a console that
// reads too slowly is dropped: it connects again and looks at everything.
import type { LiveEvent } from "@drover/shared/api/session-api";

export interface Listener {
  /** Waits for what happened since the last call; an empty list says that nothing did. */
  next(waitMs: number): Promise<readonly LiveEvent[]>;
  readonly closed: AbortSignal;
  close(): void;
}

export interface EventHub {
  publish(event: LiveEvent): void;
  /** Undefined when too many listen already. */
  listen(): Listener | undefined;
  readonly listeners: () => number;
  closeAll(): void;
}

interface Pending {
  readonly events: Map<string, LiveEvent>;
  readonly closing: AbortController;
  wake: (() => void) | undefined;
}

export function eventHub(options: { listenersMax: number; pendingMax: number }): EventHub {
  const all = new Set<Pending>();
  const close = (pending: Pending): void => {
    all.delete(pending);
    pending.closing.abort();
    pending.wake?.();
  };
  return {
    publish(event) {
      for (const pending of all) {
        pending.events.set(`${event.topic}/${event.id}`, event);
        if (pending.events.size > options.pendingMax) close(pending);
        else pending.wake?.();
      }
    },
    listen() {
      if (all.size >= options.listenersMax) return undefined;
      const pending: Pending = {
        events: new Map(),
        closing: new AbortController(),
        wake: undefined,
      };
      all.add(pending);
      return {
        closed: pending.closing.signal,
        close: () => close(pending),
        async next(waitMs) {
          if (pending.events.size === 0 && !pending.closing.signal.aborted)
            await untilWoken(pending, waitMs);
          const events = [...pending.events.values()];
          pending.events.clear();
          return events;
        },
      };
    },
    listeners: () => all.size,
    closeAll() {
      for (const pending of [...all]) close(pending);
    },
  };
}

function untilWoken(pending: Pending, waitMs: number): Promise<void> {
  return new Promise((settle) => {
    const finish = (): void => {
      clearTimeout(timer);
      pending.wake = undefined;
      settle();
    };
    const timer = setTimeout(finish, waitMs);
    pending.wake = finish;
  });
}
