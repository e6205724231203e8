// The bus as one site sees it: pushes and acks in, beats and reports out, grants by request. The client
// reconnects for ever with jitter; whatever it loses is repeated from durable state by its callers.

import { describeError } from "@drover/shared/errors";
import type { SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { inboxPrefix, subjects } from "@drover/shared/subjects";
import { connect, jwtAuthenticator, type NatsConnection } from "@nats-io/transport-node";

export interface ReconnectPolicy {
  readonly waitMs: number;
  /** Spread of the wait, so that a fleet never returns at once. */
  readonly jitterMs: number;
}

export interface BusHandlers {
  onPush(bytes: Uint8Array): void;
  onAck(bytes: Uint8Array): void;
  /** Connected again (not told for the first time): read desired state, send what is unacknowledged. */
  onConnected(): void;
}

export interface SiteBus {
  isConnected(): boolean;
  publish(subject: string, bytes: Uint8Array): void;
  request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Last desired message of the site. Undefined: no answer or none found, which never means "nothing". */
  desired(timeoutMs: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

export interface BusOptions {
  readonly site: SiteId;
  readonly urls: readonly string[];
  readonly caPem: string;
  readonly seed: string;
  /** Read at every (re)connect. */
  jwt(): string;
  readonly reconnect: ReconnectPolicy;
  readonly handlers: BusHandlers;
  readonly log: Log;
}

/** Connects once; throws when no server can be reached. After that it stays until closed. */
export async function connectBus(options: BusOptions): Promise<SiteBus> {
  const { site, handlers, log, reconnect } = options;
  const isTls = options.urls.some((url) => url.startsWith("tls:"));
  const connection = await connect({
    servers: options.urls.map((url) => url.replace(/^(tls|nats):\/\//, "")),
    name: site,
    authenticator: jwtAuthenticator(() => options.jwt(), new TextEncoder().encode(options.seed)),
    ...(isTls ? { tls: { ca: options.caPem } } : {}),
    inboxPrefix: inboxPrefix(site),
    // Without these two the client gives up for good after two refusals in a row.
    ignoreAuthErrorAbort: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnect.waitMs,
    reconnectJitter: reconnect.jitterMs,
    reconnectJitterTLS: reconnect.jitterMs,
    timeout: 20_000,
    pingInterval: 30_000,
    maxPingOut: 3,
  });
  const listen = (subject: string, deliver: (bytes: Uint8Array) => void): void => {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) log.warn({ subject, error: describeError(error) }, "bus subscription failed");
        else deliver(message.data);
      },
    });
  };
  listen(subjects.push(site), handlers.onPush);
  listen(subjects.ack(site), handlers.onAck);
  let isConnected = true;
  const watch = async (): Promise<void> => {
    for await (const status of connection.status()) {
      if (status.type === "disconnect") isConnected = false;
      if (status.type === "reconnect") {
        isConnected = true;
        handlers.onConnected();
      }
    }
    isConnected = false;
  };
  void watch();
  return busOf(connection, site, () => isConnected && !connection.isClosed());
}

function busOf(connection: NatsConnection, site: SiteId, isConnected: () => boolean): SiteBus {
  return {
    isConnected,
    publish: (subject, bytes) => connection.publish(subject, bytes),
    async request(subject, bytes, timeoutMs) {
      const reply = await connection.request(subject, bytes, { timeout: timeoutMs });
      return reply.data;
    },
    async desired(timeoutMs) {
      const reply = await connection.request(subjects.desiredGet(site), "", { timeout: timeoutMs });
      // A direct get answers 404 or 408 in a status header, also when the message does exist.
      const code = reply.headers?.code ?? 0;
      return code === 0 && reply.data.length > 0 ? reply.data : undefined;
    },
    async close() {
      await connection.close();
    },
  };
}
