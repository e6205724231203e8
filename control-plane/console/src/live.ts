// Live updates: an event says what to look at again, never what changed, so a lost event costs
// latency and not truth. The state of the line is shown to the operator.
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

export interface Line {
  readonly state: "connecting" | "live" | "broken";
  /** Epoch ms of the last change of state. */
  readonly since: number;
}

let line: Line = { state: "connecting", since: Date.now() };
const listeners = new Set<() => void>();

function become(state: Line["state"]): void {
  if (state === line.state) return;
  line = { state, since: Date.now() };
  for (const listener of listeners) listener();
}

const topics = ["fleet", "site", "node", "rollout", "build"] as const;
const queriesOf: Record<(typeof topics)[number], readonly string[]> = {
  fleet: ["fleet", "sites"],
  site: ["fleet", "sites"],
  node: ["fleet"],
  rollout: ["rollouts", "rollout"],
  build: ["builds"],
};
const everything = [...new Set(Object.values(queriesOf).flat())];

/** Between two looks, so that a storm of events neither starves a slow answer nor floods the centre. */
const breathMs = 250;
/** Before a stream that was refused is opened again; one that only broke the browser reopens itself. */
const reopenMs = 2_000;

/** Looks again at what is marked, one round at a time; what is marked meanwhile waits for the next. */
function looker(queries: QueryClient): (keys: readonly string[]) => void {
  const marked = new Set<string>();
  let busy = false;
  const look = async (): Promise<void> => {
    while (marked.size > 0) {
      const keys = [...marked];
      marked.clear();
      await Promise.all(keys.map((key) => queries.invalidateQueries({ queryKey: [key] })));
      await new Promise((resolve) => setTimeout(resolve, breathMs));
    }
    busy = false;
  };
  return (keys) => {
    for (const key of keys) marked.add(key);
    if (busy) return;
    busy = true;
    void look();
  };
}

/** Opens the event stream and keeps it open. Returns a closer. */
export function openLive(queries: QueryClient): () => void {
  const lookAgain = looker(queries);
  let source: EventSource | undefined;
  let reopen: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    const opened = new EventSource("/api/v1/events");
    source = opened;
    opened.onopen = () => {
      become("live");
      // Whatever happened while the line was down is unknown: look at everything again.
      lookAgain(everything);
    };
    opened.onerror = () => {
      become("broken");
      if (opened.readyState === EventSource.CLOSED) reopen = setTimeout(open, reopenMs);
    };
    for (const topic of topics) opened.addEventListener(topic, () => lookAgain(queriesOf[topic]));
  };
  open();
  return () => {
    clearTimeout(reopen);
    source?.close();
  };
}

/** State of the event line, for display. */
export function useLine(): Line {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => line,
  );
}
