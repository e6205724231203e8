// Live updates: an event says what to look at again, never what changed, so a lost event costs
// latency and not truth. The state of the line is shown to the operator.
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

export type LineState = "connecting" | "live" | "broken";

let state: LineState = "connecting";
const listeners = new Set<() => void>();

function become(next: LineState): void {
  state = next;
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

/** Opens the event stream; the browser reconnects by itself. Returns a closer. */
export function openLive(queries: QueryClient): () => void {
  const source = new EventSource("/api/v1/events");
  source.onopen = () => {
    become("live");
    // Whatever happened while the line was down is unknown: look at everything again.
    void queries.invalidateQueries();
  };
  source.onerror = () => become("broken");
  for (const topic of topics) {
    source.addEventListener(topic, () => {
      for (const key of queriesOf[topic]) void queries.invalidateQueries({ queryKey: [key] });
    });
  }
  return () => source.close();
}

/** State of the event line, for display. */
export function useLine(): LineState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}
