// Reports and grant requests that come over HTTPS go the same way as those of the bus: same reading, same
// transaction, same decider.
import type { SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { type Envelope, readMessage } from "@drover/shared/messages/envelope";
import { GrantReply } from "@drover/shared/messages/grant";
import type { AckBody } from "@drover/shared/messages/report";
import { subjects } from "@drover/shared/subjects";
import type { LoopStore } from "../loops/ports.ts";
import { ingestReports } from "../loops/report-loop.ts";
import type { RunningBus } from "./bus.ts";
import { systemClock } from "./system-clock.ts";

const grantWaitMs = 10_000;

export function httpUplink(options: {
  store: LoopStore;
  bus: RunningBus;
  wakeRollouts: () => void;
  log: Log;
  now: () => number;
}) {
  const { store, bus, log, now } = options;
  const bytesOf = (message: Envelope): Uint8Array =>
    new TextEncoder().encode(JSON.stringify(message));
  return {
    async ingestReports(site: SiteId, messages: readonly Envelope[]): Promise<readonly AckBody[]> {
      const acks: AckBody[] = [];
      const subject = subjects.report(site, "site-state");
      const receivedAt = now();
      const waiting = messages.map((message) => ({
        subject,
        bytes: bytesOf(message),
        receivedAt,
        done: () => undefined,
      }));
      await ingestReports(
        {
          store,
          source: { nextReports: async () => waiting },
          acks: { publishAck: async (_site, ack) => void acks.push(ack) },
          clock: systemClock,
          log,
          wakeRollouts: options.wakeRollouts,
        },
        new AbortController().signal,
      );
      return acks;
    },
    /** To the decider in this process, else over the bus to the replica that has it. */
    async askGrant(site: SiteId, message: Envelope): Promise<GrantReply> {
      const bytes = bytesOf(message);
      const subject = subjects.grant(site);
      const here = await new Promise<GrantReply | undefined>((settle) => {
        const timer = setTimeout(() => settle(later), grantWaitMs);
        const respond = (reply: GrantReply): void => {
          clearTimeout(timer);
          settle(reply);
        };
        if (bus.loops.offerGrant({ subject, bytes, receivedAt: now(), respond })) return;
        clearTimeout(timer);
        settle(undefined);
      });
      if (here) return here;
      const answer = await bus.connection.use().request(subject, bytes, { timeout: grantWaitMs });
      const reading = readMessage(answer.data, { kind: "grant-reply", body: GrantReply });
      return reading.ok ? reading.body : later;
    },
  };
}

const later: GrantReply = {
  outcome: "denied",
  retryAfterMs: 10_000,
  because: ["no decision was made in time"],
};
