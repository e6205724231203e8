// Wraps the loops' store so that open consoles hear of every commit. Nothing is told before it is stored.
import type { LiveEvent } from "@drover/shared/api/session-api";
import type { LoopStore } from "../loops/ports.ts";

export function publishingStore(store: LoopStore, publish: (event: LiveEvent) => void): LoopStore {
  const tell = (topic: LiveEvent["topic"], ids: Iterable<string>): void => {
    for (const id of new Set(ids)) publish({ topic, id });
  };
  return {
    ...store,
    async saveRolloutStep(write) {
      await store.saveRolloutStep(write);
      tell("rollout", [write.id]);
    },
    async createRollouts(request) {
      const written = await store.createRollouts(request);
      if (written)
        tell(
          "rollout",
          request.rows.map((row) => row.head.id),
        );
      return written;
    },
    async saveDesired(write) {
      await store.saveDesired(write);
      tell("site", [write.site]);
    },
    async storeReports(batch) {
      const stored = await store.storeReports(batch);
      tell(
        "site",
        batch.map((report) => report.site),
      );
      tell("node", batch.flatMap(nodesIn));
      return stored;
    },
    async storeBeats(beats) {
      const adopted = await store.storeBeats(beats);
      if (beats.length > 0) tell("fleet", ["beats"]);
      return adopted;
    },
    async decideGrants(batch, decide) {
      const decisions = await store.decideGrants(batch, decide);
      tell(
        "rollout",
        batch.requests.map((asked) => asked.request.rolloutId),
      );
      return decisions;
    },
    async setFrozen(change) {
      await store.setFrozen(change);
      tell("fleet", ["frozen"]);
    },
  };
}

function nodesIn(report: Parameters<LoopStore["storeReports"]>[0][number]): string[] {
  if (report.outcome === "rejected" || !("node" in report.report)) return [];
  return report.report.node === null ? [] : [report.report.node];
}
