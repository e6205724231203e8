// Brings desired state and the metadata it points at into the trust keeper, in the order that lets each
// be verified, and keeps the keeper's memory durably before anybody acts on it.
import { agentApi } from "@drover/shared/api/agent-api";
import { ApiProblemError, call, type Send } from "@drover/shared/api/client";
import { describeError } from "@drover/shared/errors";
import { ChannelName } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { DesiredBody } from "@drover/shared/messages/desired";
import { readMessage } from "@drover/shared/messages/envelope";
import { EnvelopeRefusedError } from "@drover/shared/trust/dsse";
import type { TrustKeeper, TrustMemory } from "../trust-keeper.ts";

export interface TrustSyncParts {
  readonly keeper: TrustKeeper;
  readonly send: Send;
  readonly log: Log;
  keep(memory: TrustMemory): Promise<void>;
  /** Told after something changed and is durable, or was refused for another reason than before. */
  onChange(): void;
}

export class TrustSync {
  readonly #parts: TrustSyncParts;
  #turn: Promise<void> = Promise.resolve();
  /** Why the newest desired document was refused; undefined when it was taken. */
  refusedBecause: string | undefined;
  /** Why release metadata that desired state points at is not known yet; undefined when it is. */
  metadataBecause: string | undefined;

  constructor(parts: TrustSyncParts) {
    this.#parts = parts;
  }

  /** Takes a desired message from the bus. Anything wrong with it is logged and remembered, never thrown. */
  async takeMessage(bytes: Uint8Array): Promise<void> {
    const reading = readMessage(bytes, { kind: "desired", body: DesiredBody });
    if (!reading.ok) {
      this.#refuse(`${reading.reason}: ${reading.detail}`);
      return;
    }
    await this.take(reading.body);
  }

  /** Takes a desired body; one after the other. */
  async take(body: DesiredBody): Promise<void> {
    this.#turn = this.#turn.then(() => this.#take(body));
    await this.#turn;
  }

  /** Fetches metadata that desired state points at and that is still missing. */
  async refresh(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#settle(false));
    await this.#turn;
  }

  async #take(body: DesiredBody): Promise<void> {
    const { keeper } = this.#parts;
    // The clear generation only saves work; what counts is inside the signature.
    if (body.generation < keeper.generation) return;
    try {
      const isNew = await this.#learn(body);
      this.refusedBecause = undefined;
      await this.#settle(isNew);
    } catch (error) {
      this.#refuse(describeError(error));
    }
  }

  async #learn(body: DesiredBody): Promise<boolean> {
    const { keeper } = this.#parts;
    try {
      return keeper.learnDesired(body);
    } catch (error) {
      // Perhaps the fleet's keys moved on: learn newer roots, then judge again.
      if (!(error instanceof EnvelopeRefusedError) || !(await this.#learnRoots(undefined)))
        throw error;
      return keeper.learnDesired(body);
    }
  }

  async #settle(isNew: boolean): Promise<void> {
    const { keeper, log } = this.#parts;
    const before = keeper.memory;
    const becauseBefore = this.metadataBecause;
    try {
      await this.#fetchMetadata();
      this.metadataBecause = undefined;
    } catch (error) {
      const because = describeError(error);
      this.metadataBecause = because;
      log.warn({ error: because }, "release metadata could not be brought up to date");
    }
    const isChanged = isNew || keeper.memory !== before;
    if (isChanged) await this.#parts.keep(keeper.memory);
    if (isChanged || this.metadataBecause !== becauseBefore) this.#parts.onChange();
  }

  async #fetchMetadata(): Promise<void> {
    const { keeper, send } = this.#parts;
    const pointers = keeper.desired?.metadata;
    if (!pointers) return;
    await this.#learnRoots(pointers.rootVersion);
    for (const [name, { version }] of Object.entries(pointers.releases)) {
      const channel = ChannelName.parse(name);
      const isAccepted = keeper.trustFile.acceptedChannels.includes(channel);
      if (!isAccepted || keeper.releaseVersion(channel) >= version) continue;
      const { metadata } = await call(send, agentApi.releases, { params: { channel } });
      keeper.learnReleases(channel, metadata);
    }
  }

  /** Follows the root chain up to `version`, or as far as it goes. True when it moved. */
  async #learnRoots(version: number | undefined): Promise<boolean> {
    const { keeper, send } = this.#parts;
    const start = keeper.rootVersion;
    while (version === undefined || keeper.rootVersion < version) {
      try {
        const params = { version: keeper.rootVersion + 1 };
        keeper.learnRoot((await call(send, agentApi.root, { params })).metadata);
      } catch (error) {
        if (error instanceof ApiProblemError && error.status === 404) break;
        throw error;
      }
    }
    return keeper.rootVersion > start;
  }

  #refuse(because: string): void {
    const isNews = this.refusedBecause !== because;
    this.refusedBecause = because;
    this.#parts.log.warn({ because }, "desired state was refused");
    if (isNews) this.#parts.onChange();
  }
}
