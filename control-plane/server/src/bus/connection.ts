// The control plane's connection to the bus: made in the background, kept for ever. Nothing waits for it
// at start, because halting and the HTTP fallbacks need the database only.
import { FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import type { Nkey } from "@drover/shared/trust/nkey";
import { connect, jwtAuthenticator, type NatsConnection } from "@nats-io/transport-node";

/** The bus can't be reached at this moment; callers try again later. */
export class BusUnavailableError extends FleetError {
  readonly code = "bus-unavailable";
}

export interface BusConnectionOptions {
  readonly servers: readonly string[];
  /** PEM of the authority that signed the server's certificate; without one the system's are used. */
  readonly caPem?: string | undefined;
  readonly user: Nkey;
  readonly jwt: string;
  /** Shown in the server's monitoring. */
  readonly name: string;
  readonly log: Log;
  /** Runs after the first connect and every reconnect; a failure is logged and tried again. */
  readonly onConnected: (connection: NatsConnection) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface BusConnection {
  /** The live connection, or throws {@link BusUnavailableError}. */
  use(): NatsConnection;
  /** True while connected and everything of `onConnected` succeeded. */
  isReady(): boolean;
  close(): Promise<void>;
}

const retryMs = 1_000;

/** Starts connecting and returns at once. */
export function openBusConnection(options: BusConnectionOptions): BusConnection {
  const state = { connection: undefined as NatsConnection | undefined, ready: false };
  const done = keepConnected(options, state);
  return {
    use() {
      if (!state.connection || state.connection.isClosed() || !state.ready)
        throw new BusUnavailableError("the bus can't be reached at this moment");
      return state.connection;
    },
    isReady: () => state.ready,
    async close() {
      state.ready = false;
      if (state.connection && !state.connection.isClosed()) await state.connection.drain();
      await done;
    },
  };
}

async function keepConnected(
  options: BusConnectionOptions,
  state: { connection: NatsConnection | undefined; ready: boolean },
): Promise<void> {
  while (!options.signal.aborted) {
    try {
      // The client changes the options it is given, so they are made anew for each try.
      state.connection = await connect({
        servers: [...options.servers],
        name: options.name,
        authenticator: jwtAuthenticator(options.jwt, new TextEncoder().encode(options.user.seed)),
        ...(options.caPem === undefined ? {} : { tls: { ca: options.caPem } }),
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        reconnectJitter: 250,
        reconnectJitterTLS: 250,
        ignoreAuthErrorAbort: true,
        timeout: 10_000,
      });
      await prepare(options, state);
      await follow(options, state, state.connection);
    } catch (error) {
      if (!options.signal.aborted) options.log.warn({ error }, "bus connection failed");
    }
    state.ready = false;
    await pause(retryMs, options.signal);
  }
}

async function follow(
  options: BusConnectionOptions,
  state: { connection: NatsConnection | undefined; ready: boolean },
  connection: NatsConnection,
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "disconnect") {
      state.ready = false;
      options.log.warn({ connection: options.name }, "bus connection lost");
    } else if (status.type === "reconnect") {
      await prepare(options, state);
    } else if (status.type === "error") {
      options.log.warn({ error: status.error }, "bus reported an error");
    }
  }
}

async function prepare(
  options: BusConnectionOptions,
  state: { connection: NatsConnection | undefined; ready: boolean },
): Promise<void> {
  while (!options.signal.aborted && state.connection && !state.connection.isClosed()) {
    try {
      await options.onConnected(state.connection);
      state.ready = true;
      options.log.info({ connection: options.name }, "bus connection ready");
      return;
    } catch (error) {
      options.log.warn({ error, connection: options.name }, "bus preparation failed");
      await pause(retryMs, options.signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((settle) => {
    if (signal.aborted) return settle();
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      settle();
    }
  });
}
