// Runs the update machine of one node, real or hollow: one input at a time, the state is durable before
// its effects begin, and what an effect comes to returns as an input. Slow effects run beside the queue.
import { describeError, invariant } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import type { GrantDocument } from "@drover/shared/messages/grant";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import type { UpdateEffect, UpdateEvent, UpdatePolicy } from "./core/update/input.ts";
import { isOver } from "./core/update/moment.ts";
import { firstState, UpdateState } from "./core/update/state.ts";
import { step } from "./core/update/step.ts";
import type { BootFacts, UpdatePorts } from "./node-ports.ts";

export interface UpdateDriverParts {
  readonly ports: UpdatePorts;
  readonly log: Log;
  /** Read for every input, so that a changed policy counts at once. */
  policy(): UpdatePolicy;
  /** Checks the signature of a grant; throws when it is not the fleet's. */
  openGrant(document: DsseEnvelope): GrantDocument;
  /** Told after every input that was made durable. */
  onChange?(state: UpdateState): void;
}

type SlowEffect = Extract<
  UpdateEffect,
  { kind: "prefetch" | "write-slot" | "ask-grant" | "run-probes" | "ask-site" }
>;

export class UpdateDriver {
  readonly #parts: UpdateDriverParts;
  readonly #queue: UpdateEvent[] = [];
  readonly #slow = new Map<SlowEffect["kind"], { key: string; abort: AbortController }>();
  readonly #background = new Set<Promise<void>>();
  #state: UpdateState | undefined;
  #stored = "";
  #running: Promise<void> | undefined;
  #failure: unknown;
  #stopped = false;

  constructor(parts: UpdateDriverParts) {
    this.#parts = parts;
  }

  /** Reads what the node remembers and tells the machine what was booted. Call once per agent start. */
  async start(boot: BootFacts): Promise<void> {
    const text = await this.#parts.ports.stateFile.read();
    const { wallMs } = this.#parts.ports.clock.moment();
    this.#state = text === undefined ? firstState(wallMs) : UpdateState.parse(JSON.parse(text));
    this.#stored = text ?? "";
    this.input({ kind: "booted", ...boot });
    await this.idle();
  }

  /** Queues one input. Never throws for what the input comes to; see {@link idle}. */
  input(event: UpdateEvent): void {
    if (this.#stopped) return;
    this.#queue.push(event);
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
  }

  get state(): UpdateState {
    invariant(this.#state, "the update driver is started before it is asked");
    return this.#state;
  }

  /** Resolves when the queue is empty; throws when the state could not be kept. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
  }

  /** Waits for slow effects as well, until nothing moves without a new input. */
  async settled(): Promise<void> {
    do {
      await Promise.all([...this.#background]);
      await this.idle();
    } while (this.#background.size > 0 || this.#queue.length > 0);
  }

  /** Ends slow effects and takes no more inputs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.length = 0;
    for (const { abort } of this.#slow.values()) abort.abort(new Error("the driver stopped"));
    await Promise.all([...this.#background]);
    await this.#running;
  }

  async #drain(): Promise<void> {
    for (let event = this.#queue.shift(); event; event = this.#queue.shift()) {
      try {
        await this.#handle(event);
      } catch (error) {
        // Without a durable state no effect may follow; the next tick tries again from the old one.
        this.#failure = error;
        this.#parts.log.error(
          { error: describeError(error), input: event.kind },
          "update input failed",
        );
      }
    }
  }

  async #handle(event: UpdateEvent): Promise<void> {
    const { ports, log } = this.#parts;
    const before = this.state;
    const now = ports.clock.moment();
    const next = step(this.#parts.policy(), before, { ...event, now });
    const text = JSON.stringify(next.state);
    if (text !== this.#stored) {
      await ports.stateFile.write(text);
      this.#stored = text;
    }
    this.#state = next.state;
    const { phase } = next.state.progress;
    if (phase !== before.progress.phase) {
      log.info(
        { from: before.progress.phase, to: phase, because: next.because },
        "update phase changed",
      );
    }
    this.#endUnwanted();
    this.#parts.onChange?.(next.state);
    for (const effect of next.effects) {
      if (this.#stopped) return;
      await this.#perform(effect);
    }
  }

  /** A prefetch or write of something no longer wanted is ended at once. */
  #endUnwanted(): void {
    const { progress } = this.state;
    const wanted: Partial<Record<SlowEffect["kind"], boolean>> = {
      prefetch: progress.phase === "prefetching",
      "write-slot": progress.phase === "writing",
    };
    for (const [kind, { abort }] of this.#slow) {
      if (wanted[kind] === false) abort.abort(new Error("the target changed"));
    }
  }

  async #perform(effect: UpdateEffect): Promise<void> {
    const { marks, nonces } = this.#parts.ports;
    switch (effect.kind) {
      case "make-nonce":
        this.#queue.push({ kind: "nonce-made", nonce: nonces.nonce() });
        return;
      case "arm-trial":
        return await this.#arm(effect);
      case "disarm":
        return await marks.disarm(effect.imageId);
      case "mark-good": {
        const defaultSlot = await marks.markGood(effect.slot, effect.oldVerifies);
        this.#queue.push({ kind: "marked", slot: effect.slot, defaultSlot });
        return;
      }
      case "reboot":
        return await marks.reboot(effect.because);
      default:
        this.#begin(effect);
    }
  }

  async #arm(effect: Extract<UpdateEffect, { kind: "arm-trial" }>): Promise<void> {
    const { marks, clock } = this.#parts.ports;
    const { slot, imageId, bootsMax, notAfter } = effect;
    if (notAfter && isOver(notAfter, clock.moment())) {
      this.#queue.push({ kind: "arm-failed", slot, because: "the grant expired before arming" });
      return;
    }
    try {
      await marks.arm({ slot, imageId, bootsMax });
      this.#queue.push({ kind: "armed", slot });
    } catch (error) {
      this.#queue.push({ kind: "arm-failed", slot, because: describeError(error).slice(0, 500) });
    }
  }

  /** Starts a slow effect unless the same one is under way. */
  #begin(effect: SlowEffect): void {
    const key = JSON.stringify(effect);
    const current = this.#slow.get(effect.kind);
    if (current && current.key === key && !current.abort.signal.aborted) return;
    current?.abort.abort(new Error("replaced by a newer order"));
    const abort = new AbortController();
    const entry = { key, abort };
    this.#slow.set(effect.kind, entry);
    const work = this.#runSlow(effect, abort.signal)
      .then((event) => {
        if (this.#slow.get(effect.kind) === entry) this.#slow.delete(effect.kind);
        if (event && !abort.signal.aborted) this.input(event);
      })
      .finally(() => this.#background.delete(work));
    this.#background.add(work);
  }

  /** Never rejects: a failure becomes the input that says so, or nothing when a tick will retry. */
  async #runSlow(effect: SlowEffect, signal: AbortSignal): Promise<UpdateEvent | undefined> {
    try {
      return await this.#slowEvent(effect, signal);
    } catch (error) {
      const because = describeError(error).slice(0, 500);
      switch (effect.kind) {
        case "prefetch":
          return { kind: "prefetch-failed", imageId: effect.imageId, because };
        case "write-slot":
          return { kind: "write-failed", slot: effect.slot, imageId: effect.imageId, because };
        case "ask-grant":
          return {
            kind: "grant-denied",
            nonce: effect.nonce,
            retryAfterMs: 5_000,
            because: [because],
          };
        case "run-probes":
          return { kind: "probes", healthy: false, because: [because] };
        case "ask-site":
          return { kind: "site-answer", answered: false };
      }
    }
  }

  async #slowEvent(effect: SlowEffect, signal: AbortSignal): Promise<UpdateEvent> {
    const { slots, probes, site } = this.#parts.ports;
    switch (effect.kind) {
      case "prefetch": {
        const { imageId } = effect;
        const known = await slots.prefetch(
          imageId,
          (doneBytes, totalBytes) =>
            this.input({ kind: "prefetch-progress", imageId, doneBytes, totalBytes }),
          signal,
        );
        return { kind: "prefetched", imageId, ...known };
      }
      case "write-slot": {
        const { slot, imageId } = effect;
        const verityRoot = await slots.write({ slot, imageId }, signal);
        return { kind: "slot-written", slot, imageId, verityRoot };
      }
      case "ask-grant": {
        const answer = await site.askGrant(effect);
        const { nonce } = effect;
        if (answer.outcome === "wait") return { ...answer, kind: "grant-denied", nonce };
        return this.#grantEvent(answer.document);
      }
      case "run-probes":
        return { kind: "probes", ...(await probes.run(effect.imageId, signal)) };
      case "ask-site":
        return { kind: "site-answer", answered: await site.hello() };
    }
  }

  /** The nonce of this node in the grant; another node's share of it is no permission. */
  #grantEvent(document: DsseEnvelope): UpdateEvent {
    const { id, nodes, imageId, rolloutId, rolloutEpoch, validMs } =
      this.#parts.openGrant(document);
    const own = nodes.find((each) => each.node === this.state.orders?.node);
    const nonce = own?.nonce ?? "none";
    return { kind: "grant", grantId: id, nonce, imageId, rolloutId, rolloutEpoch, validMs };
  }
}
