// Signs of life: the newest beat of each site is kept in memory and flushed in one write. Losing the
// unflushed ones costs seconds of freshness, nothing else.
import type { Clock } from "@drover/shared/clock";
import { type EpochMs, SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { readMessage } from "@drover/shared/messages/envelope";
import { BeatBody } from "@drover/shared/messages/report";
import { siteOfSubject } from "@drover/shared/subjects";
import { noteAdoptions } from "./note-adoptions.ts";
import type { BeatRecord, BeatStore, FleetStore } from "./ports.ts";

/** Kind of the envelope around a beat. */
export const beatMessageKind = "beat";
const flushMax = 5_000;

export interface BeatBook {
  /** Takes a raw message in; whatever is not a beat of that site is dropped. */
  take(message: { subject: string; bytes: Uint8Array; receivedAt: EpochMs }): void;
  /** Hands out what came since the last call. */
  drain(max: number): readonly BeatRecord[];
}

export function beatBook(): BeatBook {
  const newest = new Map<SiteId, BeatRecord>();
  return {
    take: ({ subject, bytes, receivedAt }) => {
      const site = SiteId.safeParse(siteOfSubject(subject));
      const reading = readMessage(bytes, { kind: beatMessageKind, body: BeatBody });
      if (!site.success || !reading.ok || reading.envelope.site !== site.data) return;
      newest.set(site.data, { site: site.data, heardAt: receivedAt, beat: reading.body });
    },
    drain: (max) => {
      const beats = [...newest.values()].slice(0, max);
      for (const { site } of beats) newest.delete(site);
      return beats;
    },
  };
}

export interface BeatLoopPorts {
  readonly store: BeatStore & FleetStore;
  readonly clock: Clock;
  readonly log: Log;
}

export async function flushBeats(
  ports: BeatLoopPorts,
  book: BeatBook,
): Promise<{ again: boolean }> {
  const beats = book.drain(flushMax);
  if (beats.length === 0) return { again: false };
  await noteAdoptions(ports, await ports.store.storeBeats(beats));
  return { again: beats.length === flushMax };
}
