// What the loops need of the bus and of the keys: messages in, messages out, signatures. Nothing is
// told to the bus as done before the store has committed it.
import type { EpochMs, SiteId } from "@drover/shared/ids";
import type { DesiredBody, DesiredDocument } from "@drover/shared/messages/desired";
import type { GrantDocument, GrantReply } from "@drover/shared/messages/grant";
import type { AckBody } from "@drover/shared/messages/report";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";

/** Signs what the fleet role signs. */
export interface Sealer {
  sealDesired(document: DesiredDocument): Promise<DsseEnvelope>;
  sealGrant(document: GrantDocument): Promise<DsseEnvelope>;
}

export interface DesiredPublisher {
  /** Resolves when the bus has stored it; a repeat of the same generation is harmless. */
  publishDesired(site: SiteId, body: DesiredBody): Promise<void>;
}

export interface AckPublisher {
  publishAck(site: SiteId, ack: AckBody): Promise<void>;
}

/** One raw message and the means to tell the bus that it is done with. */
export interface ReportMessage {
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly receivedAt: EpochMs;
  /** Called after the commit only. */
  done(): void;
}

export interface ReportSource {
  /** Waits up to `lingerMs` for the first message, then takes what is there, `max` at most. */
  nextReports(request: {
    max: number;
    lingerMs: number;
    signal: AbortSignal;
  }): Promise<readonly ReportMessage[]>;
}

export interface BeatSource {
  /** Calls back for every beat message until the signal aborts. */
  onBeat(
    deliver: (message: { subject: string; bytes: Uint8Array; receivedAt: EpochMs }) => void,
    signal: AbortSignal,
  ): void;
}

/** One raw grant request that waits for an answer. */
export interface GrantMessage {
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly receivedAt: EpochMs;
  respond(reply: GrantReply): void;
}

export interface GrantSource {
  /** Waits up to `waitMs` for the first request, then `lingerMs` for more, `max` at most. */
  nextGrantRequests(request: {
    max: number;
    waitMs: number;
    lingerMs: number;
    signal: AbortSignal;
  }): Promise<readonly GrantMessage[]>;
  /** Another replica decides: requests must go to it. The next call of `nextGrantRequests` listens again. */
  stopListening(): void;
}

/** Fresh opaque ids; a simulation seeds them. */
export interface IdSource {
  /** 20 characters for the tail of an id. */
  idTail(): string;
}
