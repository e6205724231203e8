// The bus as the loops see it. Desired documents are published with their generation as message id; reports
// stay unacknowledged until the loop says done; grant requests are taken only while somebody decides them.
import type { SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { writeMessage } from "@drover/shared/messages/envelope";
import type { GrantReply } from "@drover/shared/messages/grant";
import {
  grantQueue,
  reportConsumer,
  siteOfSubject,
  streams,
  subjects,
  wildcards,
} from "@drover/shared/subjects";
import { type ConsumerMessages, jetstream } from "@nats-io/jetstream";
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import type {
  AckPublisher,
  BeatSource,
  DesiredPublisher,
  GrantMessage,
  GrantSource,
  ReportMessage,
  ReportSource,
} from "../loops/bus-ports.ts";
import type { BusConnection } from "./connection.ts";
import { messageQueue } from "./message-queue.ts";

export interface LoopBus
  extends DesiredPublisher,
    AckPublisher,
    ReportSource,
    BeatSource,
    GrantSource {
  /** Called for every connection that became ready; starts what listens. */
  attach(connection: NatsConnection): Promise<void>;
  /** Puts a grant request that came over HTTPS beside those of the bus. False when there is no room. */
  offerGrant(message: GrantMessage): boolean;
}

type DeliverBeat = Parameters<BeatSource["onBeat"]>[0];

const beatQueue = "beats";

export function loopBus(options: {
  /** Given late: the connection needs `attach` when it opens. */
  readonly connection: () => BusConnection;
  readonly listen: boolean;
  readonly now: () => number;
  readonly log: Log;
}): LoopBus {
  const { now, log } = options;
  const grants = grantInbox(options);
  const reports = messageQueue<ReportMessage>(20_000);
  const beats = new Set<DeliverBeat>();
  let consuming: ConsumerMessages | undefined;
  let attached: NatsConnection | undefined;
  return {
    async publishDesired(site, body) {
      const message = { kind: "desired", site, seq: body.generation, at: now(), body };
      await jetstream(options.connection().use(), { timeout: 10_000 }).publish(
        subjects.desired(site),
        writeMessage(message),
        { msgID: `${site}:${body.generation}` },
      );
    },
    async publishAck(site, ack) {
      const message = { kind: "ack", site, seq: ack.upToSeq, at: now(), body: ack };
      options.connection().use().publish(subjects.ack(site), writeMessage(message));
    },
    nextReports: ({ max, lingerMs, signal }) =>
      reports.take({ max, waitMs: lingerMs, lingerMs: Math.min(lingerMs, 50), signal }),
    onBeat(deliver, signal) {
      beats.add(deliver);
      signal.addEventListener("abort", () => beats.delete(deliver), { once: true });
    },
    nextGrantRequests: grants.next,
    offerGrant: grants.offer,
    stopListening: grants.leave,
    async attach(connection) {
      if (!options.listen || attached === connection) return;
      consuming?.stop();
      reports.clear();
      consuming = await consumeReports(connection, reports, { now, log });
      listenToBeats(connection, beats, now);
      grants.rejoin(connection);
      attached = connection;
    },
  };
}

async function consumeReports(
  connection: NatsConnection,
  reports: ReturnType<typeof messageQueue<ReportMessage>>,
  context: { now: () => number; log: Log },
): Promise<ConsumerMessages> {
  const consumer = await jetstream(connection).consumers.get(streams.report, reportConsumer);
  return consumer.consume({
    max_messages: 2_000,
    threshold_messages: 1_000,
    callback: (message) => {
      // What finds no room is delivered again after the consumer's ack wait.
      const fits = reports.offer({
        subject: message.subject,
        bytes: message.data,
        receivedAt: context.now(),
        done: () => message.ack(),
      });
      if (!fits) context.log.warn({ subject: message.subject }, "report queue overflowed");
    },
  });
}

function listenToBeats(
  connection: NatsConnection,
  beats: ReadonlySet<DeliverBeat>,
  now: () => number,
): void {
  connection.subscribe(wildcards.beat, {
    queue: beatQueue,
    callback: (error, message) => {
      if (error) return;
      const beat = { subject: message.subject, bytes: message.data, receivedAt: now() };
      for (const deliver of beats) deliver(beat);
    },
  });
}

/** In the queue group from the first call on until `leave`: only a decider takes requests. */
function grantInbox(options: { connection: () => BusConnection; now: () => number; log: Log }): {
  next: GrantSource["nextGrantRequests"];
  offer: (message: GrantMessage) => boolean;
  leave: () => void;
  rejoin: (connection: NatsConnection) => void;
} {
  const queue = messageQueue<GrantMessage>(5_000);
  let subscription: { of: NatsConnection; handle: Subscription } | undefined;
  let listening = false;
  const subscribe = (connection: NatsConnection): void => {
    if (subscription?.of === connection) return;
    subscription = { of: connection, handle: subscribeGrants(connection, queue, options.now) };
  };
  const join = (): void => {
    listening = true;
    const bus = options.connection();
    if (bus.isReady()) subscribe(bus.use());
  };
  return {
    next: ({ max, waitMs, lingerMs, signal }) => {
      join();
      return queue.take({ max, waitMs, lingerMs, signal });
    },
    // Without a decider in this process nobody would look at it.
    rejoin(connection) {
      if (listening) subscribe(connection);
    },
    offer: (message) => listening && queue.offer(message),
    leave() {
      listening = false;
      subscription?.handle.unsubscribe();
      subscription = undefined;
      for (const message of queue.clear()) message.respond(askAgain);
    },
  };
}

const askAgain: GrantReply = {
  outcome: "denied",
  retryAfterMs: 1_000,
  because: ["the decider of grants is moving to another replica"],
};

function subscribeGrants(
  connection: NatsConnection,
  queue: ReturnType<typeof messageQueue<GrantMessage>>,
  now: () => number,
): Subscription {
  return connection.subscribe(wildcards.grant, {
    queue: grantQueue,
    callback: (error, message) => {
      if (error) return;
      const site = siteOfSubject(message.subject) as SiteId;
      queue.offer({
        subject: message.subject,
        bytes: message.data,
        receivedAt: now(),
        respond: (body) => {
          const reply = { kind: "grant-reply", site, seq: 0, at: now(), body };
          if (!connection.isClosed()) message.respond(writeMessage(reply));
        },
      });
    },
  });
}
