// Keeps a site in touch with its centre: bus first, HTTPS when the bus cannot be reached. Nothing here
// decides anything; whatever is lost on the way is repeated from durable state.
import { agentApi } from "@drover/shared/api/agent-api";
import { call } from "@drover/shared/api/client";
import type { Clock } from "@drover/shared/clock";
import { describeError, FleetError } from "@drover/shared/errors";
import type { SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import {
  type Envelope,
  ownVersions,
  protocolVersion,
  readMessage,
  writeMessage,
} from "@drover/shared/messages/envelope";
import { GrantReply, type GrantRequest } from "@drover/shared/messages/grant";
import { AckBody, type BeatBody } from "@drover/shared/messages/report";
import { jitteredMs, type Random } from "@drover/shared/random";
import { subjects } from "@drover/shared/subjects";
import type { SiteBus } from "./bus.ts";
import type { Centre } from "./centre.ts";
import type { Outbox } from "./outbox.ts";
import type { SiteSession } from "./session.ts";
import type { TrustSync } from "./trust-sync.ts";

export interface UplinkParts {
  readonly site: SiteId;
  readonly session: SiteSession;
  readonly centre: Centre;
  readonly trust: TrustSync;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly agentVersion: string;
  generation(): number;
  beatMs(): number;
  /** The bus was joined, or joined again: the centre may have been restored meanwhile. */
  onJoined(): void;
  /** Opens the bus with the handlers given; throws when it cannot be reached. */
  openBus(handlers: {
    onPush(bytes: Uint8Array): void;
    onAck(bytes: Uint8Array): void;
    onConnected(): void;
  }): Promise<SiteBus>;
}

/** The centre answered something that cannot be used. */
export class UplinkError extends FleetError {
  readonly code = "uplink-answer-unusable";
}

const desiredEveryMs = 600_000;
const fallbackEveryMs = 60_000;
const metadataRetryMs = 30_000;
const retryEveryMs = 5_000;
const busRetryMaxMs = 120_000;
const sendEveryMs = 1_000;
const grantTimeoutMs = 15_000;
const httpBatch = 200;

export class Uplink {
  readonly #parts: UplinkParts;
  #bus: SiteBus | undefined;
  #wakeSender: (() => void) | undefined;
  #desiredDueAt = 0;
  #metadataDueAt = 0;
  #busFailures = 0;
  #busDueAtMs = 0;

  constructor(parts: UplinkParts) {
    this.#parts = parts;
  }

  isOnBus(): boolean {
    return this.#bus?.isConnected() ?? false;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#every("connection upkeep failed", signal, () => this.#upkeep()),
      this.#every("sending reports failed", signal, () => this.#sendDue()),
      this.#every("sending a beat failed", signal, () => this.#beat()),
    ]);
    await this.#bus?.close();
  }

  /** Reports were appended: send them soon. */
  wake(): void {
    this.#wakeSender?.();
  }

  /** Asks the centre; throws when neither way answers. */
  async askGrant(request: GrantRequest): Promise<GrantReply> {
    const message = this.#envelope("grant-request", 0, request);
    const bus = this.#bus;
    if (bus?.isConnected()) {
      const bytes = await bus.request(
        subjects.grant(this.#parts.site),
        writeMessage(message),
        grantTimeoutMs,
      );
      const reading = readMessage(bytes, { kind: "grant-reply", body: GrantReply });
      if (reading.ok) return reading.body;
      throw new UplinkError(
        `the answer to a grant request is ${reading.reason}: ${reading.detail}`,
      );
    }
    return await call(await this.#send(), agentApi.grant, { body: message });
  }

  /** One step after the other until the signal aborts; each answers how long to wait. */
  async #every(what: string, signal: AbortSignal, once: () => Promise<number>): Promise<void> {
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      let waitMs = retryEveryMs;
      try {
        waitMs = await once();
      } catch (error) {
        log.debug({ error: describeError(error) }, what);
      }
      await this.#pause(clock, waitMs, signal, what);
    }
  }

  async #pause(clock: Clock, waitMs: number, signal: AbortSignal, what: string): Promise<void> {
    const woken = new AbortController();
    if (what === "sending reports failed") this.#wakeSender = () => woken.abort();
    try {
      await clock.wait(waitMs, AbortSignal.any([signal, woken.signal]));
    } catch {
      // Woken early or stopping: the loop looks at the signal itself.
    }
  }

  async #upkeep(): Promise<number> {
    const { session, clock, random } = this.#parts;
    if (session.isJwtAging()) await session.renew();
    const now = clock.monotonicMs();
    if (!this.#bus && now >= this.#busDueAtMs) await this.#connect();
    if (now >= this.#desiredDueAt) {
      await this.#readDesired();
      const everyMs = this.isOnBus() ? desiredEveryMs : fallbackEveryMs;
      this.#desiredDueAt = now + jitteredMs(everyMs, 0.2, random);
    }
    if (this.#parts.trust.metadataBecause && now >= this.#metadataDueAt) {
      this.#metadataDueAt = now + jitteredMs(metadataRetryMs, 0.2, random);
      await this.#parts.trust.refresh();
    }
    return jitteredMs(retryEveryMs, 0.3, random);
  }

  async #connect(): Promise<void> {
    const { trust, outbox, log } = this.#parts;
    const onConnected = (): void => {
      this.#desiredDueAt = 0;
      outbox.forgetSent();
      this.#parts.onJoined();
      this.wake();
    };
    try {
      this.#bus = await this.#parts.openBus({
        onPush: (bytes) => void trust.takeMessage(bytes),
        onAck: (bytes) => void this.#takeAck(bytes),
        onConnected,
      });
      this.#busFailures = 0;
      onConnected();
      log.info({}, "site joined the bus");
    } catch (error) {
      const pauseMs = Math.min(busRetryMaxMs, retryEveryMs * 2 ** this.#busFailures);
      this.#busFailures += 1;
      const { clock, random } = this.#parts;
      this.#busDueAtMs = clock.monotonicMs() + jitteredMs(pauseMs, 0.3, random);
      log.warn({ error: describeError(error) }, "bus could not be reached, HTTPS is used");
    }
  }

  async #readDesired(): Promise<void> {
    const { trust } = this.#parts;
    const bytes = this.isOnBus() ? await this.#bus?.desired(10_000) : undefined;
    if (bytes) await trust.takeMessage(bytes);
    else await trust.take(await call(await this.#send(), agentApi.desired));
    await trust.refresh();
  }

  async #sendDue(): Promise<number> {
    const { outbox, clock, site } = this.#parts;
    const due = await outbox.due(clock.monotonicMs());
    if (due.length === 0) return sendEveryMs * 5;
    const bus = this.#bus;
    const messages = due.map(({ seq, kind, at, body }) => ({
      subject: subjects.report(site, kind),
      message: { ...this.#envelope("report", seq, body), at },
    }));
    if (bus?.isConnected()) {
      for (const { subject, message } of messages) bus.publish(subject, writeMessage(message));
      return sendEveryMs / 10;
    }
    try {
      await this.#sendByHttps(messages.map(({ message }) => message));
    } catch (error) {
      outbox.forgetSent();
      throw error;
    }
    return sendEveryMs;
  }

  async #sendByHttps(messages: readonly Envelope[]): Promise<void> {
    for (let first = 0; first < messages.length; first += httpBatch) {
      const batch = messages.slice(first, first + httpBatch);
      const { acks } = await call(await this.#send(), agentApi.reports, {
        body: { messages: batch },
      });
      for (const ack of acks) await this.#parts.outbox.acknowledge(ack);
    }
  }

  async #takeAck(bytes: Uint8Array): Promise<void> {
    const { log, outbox } = this.#parts;
    const reading = readMessage(bytes, { kind: "ack", body: AckBody });
    if (!reading.ok) return log.warn({ because: reading.detail }, "acknowledgement was unreadable");
    try {
      await outbox.acknowledge(reading.body);
      if (outbox.backlog > 0) this.wake();
    } catch (error) {
      log.error({ error: describeError(error) }, "acknowledgement could not be kept");
    }
  }

  async #beat(): Promise<number> {
    const { outbox, site, agentVersion, random } = this.#parts;
    const body: BeatBody = {
      generation: this.#parts.generation(),
      outboxId: outbox.outboxId,
      backlog: outbox.backlog,
      agentVersion,
      accepts: ownVersions,
    };
    const bus = this.#bus;
    if (!bus?.isConnected()) return sendEveryMs;
    bus.publish(subjects.beat(site), writeMessage(this.#envelope("beat", 0, body)));
    return jitteredMs(this.#parts.beatMs(), 0.2, random);
  }

  /** HTTPS with a bearer; a refused bearer is dropped so that the next call gets another. */
  async #send() {
    const { session, centre } = this.#parts;
    const send = centre.send(await session.bearer());
    return async (request: Parameters<typeof send>[0]) => {
      const answer = await send(request);
      if (answer.status === 401) session.dropBearer();
      return answer;
    };
  }

  #envelope(kind: string, seq: number, body: unknown): Envelope {
    const { site, clock } = this.#parts;
    return { v: protocolVersion, kind, site, seq, at: clock.now(), body };
  }
}
