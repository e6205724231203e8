// Keeps the bus's picture of revoked sites equal to the database's: the whole account JWT is pushed on
// every connect of the system user and after each change, since an update that forgets one un-revokes it.
import { FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import type { NatsConnection } from "@nats-io/transport-node";
import { type BusKeys, fleetAccountJwt, ownUserJwt, type Revocations } from "./bus-keys.ts";
import { openBusConnection } from "./connection.ts";

const claimsSubject = "$SYS.REQ.CLAIMS.UPDATE";

/** The bus refused an account update. */
export class RevocationRefusedError extends FleetError {
  readonly code = "bus-revocation-refused";
}

export interface RevocationPublisher {
  /** Reads the revocations and makes the bus act on them. */
  publish(): Promise<void>;
  isReady(): boolean;
  close(): Promise<void>;
}

export interface RevocationOptions {
  readonly keys: BusKeys;
  readonly servers: readonly string[];
  readonly caPem?: string | undefined;
  readonly revocations: () => Promise<Revocations>;
  readonly now: () => number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Opens a connection of the system user that does nothing else. */
export function openRevocationPublisher(options: RevocationOptions): RevocationPublisher {
  const { keys } = options;
  const push = async (connection: NatsConnection): Promise<void> => {
    const jwt = fleetAccountJwt(keys, await options.revocations(), options.now());
    const answer = await connection.request(claimsSubject, jwt, { timeout: 10_000 });
    const text = answer.string();
    if (/"error"/.test(text))
      throw new RevocationRefusedError(`the bus refused an account update: ${text.slice(0, 300)}`);
  };
  const connection = openBusConnection({
    servers: options.servers,
    caPem: options.caPem,
    user: keys.systemUser,
    jwt: ownUserJwt(keys.systemUser, keys.systemAccount, "centre-system", options.now()),
    name: "centre-system",
    log: options.log,
    onConnected: push,
    signal: options.signal,
  });
  return {
    publish: () => push(connection.use()),
    isReady: connection.isReady,
    close: connection.close,
  };
}
