// Publishes what the store has committed, oldest first. A row is marked only after the bus has taken
// it, so a crash in between publishes twice, which generations make harmless.
import type { Log } from "@drover/shared/log";
import type { DesiredPublisher } from "./bus-ports.ts";
import { forEach } from "./each.ts";
import { type Leading, lead } from "./lead.ts";
import type { LeaseStore, OutboxStore } from "./ports.ts";

export interface OutboxLoopPorts extends Leading {
  readonly store: LeaseStore & OutboxStore;
  readonly publisher: DesiredPublisher;
  readonly log: Log;
}

const batchMax = 500;

export async function publishOutbox(ports: OutboxLoopPorts): Promise<{ again: boolean }> {
  const fence = await lead(ports, "outbox");
  if (fence === null) return { again: false };
  const rows = await ports.store.unpublished(batchMax);
  const published: number[] = [];
  const { failed } = await forEach(
    rows,
    async ({ id, site, body }) => {
      await ports.publisher.publishDesired(site, body);
      published.push(id);
    },
    { log: ports.log, fields: ({ site }) => ({ site }) },
  );
  if (published.length > 0) {
    await ports.store.markPublished({ fence, ids: published, at: ports.clock.now() });
  }
  return { again: rows.length === batchMax && failed === 0 };
}
