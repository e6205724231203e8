// The two streams and the one consumer of the control plane, created or brought up to date on every
// connect. A stream that had to be made anew means the bus lost its store: everything is published again.
import { messageBytesMax } from "@drover/shared/messages/envelope";
import { reportConsumer, streams, wildcards } from "@drover/shared/subjects";
import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";

const nanosPerMs = 1_000_000;
const streamNotFound = 10059;
const reportBytesMax = 64 * 1024;

export interface StreamOptions {
  /** Copies of each stream: 1 on one server, 3 on a cluster. */
  readonly replicas: number;
  /** Most the report stream may hold on disk. */
  readonly reportBytes: number;
}

type WantedStream = Partial<StreamConfig> & Pick<StreamConfig, "name" | "subjects">;

/** Configuration of both streams. `max_consumers` guards against a consumer per site. */
export function wantedStreams(options: StreamOptions): readonly WantedStream[] {
  const shared = {
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    num_replicas: options.replicas,
    duplicate_window: 120_000 * nanosPerMs,
  };
  return [
    {
      ...shared,
      name: streams.desired,
      subjects: [wildcards.desired],
      max_msgs_per_subject: 1,
      allow_direct: true,
      max_msg_size: messageBytesMax,
      max_consumers: 8,
      republish: { src: wildcards.desired, dest: wildcards.push },
    },
    {
      ...shared,
      name: streams.report,
      subjects: [wildcards.report],
      max_age: 86_400_000 * nanosPerMs,
      max_bytes: options.reportBytes,
      max_msg_size: reportBytesMax,
    },
  ];
}

/** Brings streams and consumer into being. `desiredMade` is true when the desired stream was missing. */
export async function ensureStreams(
  connection: NatsConnection,
  options: StreamOptions,
): Promise<{ desiredMade: boolean }> {
  const manager = await jetstreamManager(connection, { timeout: 10_000 });
  let desiredMade = false;
  for (const wanted of wantedStreams(options)) {
    const made = await ensureStream(manager, wanted);
    if (wanted.name === streams.desired) desiredMade = made;
  }
  await manager.consumers.add(streams.report, {
    durable_name: reportConsumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: 30_000 * nanosPerMs,
    max_ack_pending: 20_000,
    max_deliver: -1,
    filter_subject: wildcards.report,
  });
  return { desiredMade };
}

async function ensureStream(manager: JetStreamManager, wanted: WantedStream): Promise<boolean> {
  try {
    await manager.streams.info(wanted.name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== streamNotFound) throw error;
    await manager.streams.add(wanted);
    return true;
  }
  await manager.streams.update(wanted.name, wanted);
  return false;
}
