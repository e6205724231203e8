// Collects what nodes ask for, lets the pure coordinator choose, asks the centre once per group and
// hands each node its answer. Holds at most one open question per node.
import type { Clock } from "@drover/shared/clock";
import { describeError } from "@drover/shared/errors";
import type { NodeId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { type GrantReply, type GrantRequest, grantValidMs } from "@drover/shared/messages/grant";
import type { UpdatePhase } from "@drover/shared/node/update-state";
import { coordinate, type GrantAsk, type SiteSituation } from "../core/site/coordinate.ts";
import type { GrantAnswer } from "../node-api/contract.ts";

export interface GrantDeskParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Undefined while the site has no desired state. */
  situation(): Omit<SiteSituation, "justGranted"> | undefined;
  askCentre(request: GrantRequest): Promise<GrantReply>;
}

interface Waiting {
  readonly ask: GrantAsk;
  answer(answer: GrantAnswer): void;
}

/** Asks arriving within this time share one request. */
const gatherMs = 150;
const waitForTurnMs = 3_000;
const waitForCentreMs = 10_000;

export class GrantDesk {
  readonly #parts: GrantDeskParts;
  readonly #waiting = new Map<NodeId, Waiting>();
  readonly #grantedAtMs = new Map<NodeId, number>();
  #gathering: Promise<void> | undefined;

  constructor(parts: GrantDeskParts) {
    this.#parts = parts;
  }

  /** Resolves with a signed grant, or with how long to wait and why. */
  ask(ask: Omit<GrantAsk, "askedAtMs">): Promise<GrantAnswer> {
    const askedAtMs = this.#parts.clock.monotonicMs();
    return new Promise((resolve) => {
      this.#waiting.get(ask.node)?.answer(wait(0, "a newer question of this node replaced it"));
      this.#waiting.set(ask.node, { ask: { ...ask, askedAtMs }, answer: resolve });
      this.#gathering ??= this.#gather();
    });
  }

  /** The node reported a phase that says what became of its grant: no more guessing. */
  heardOf(node: NodeId, phase: UpdatePhase): void {
    if (phase !== "verified") this.#grantedAtMs.delete(node);
  }

  async #gather(): Promise<void> {
    await this.#parts.clock.wait(gatherMs);
    this.#gathering = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    const situation = this.#parts.situation();
    if (!situation) {
      for (const { answer } of waiting)
        answer(wait(waitForTurnMs, "the site has no desired state"));
      return;
    }
    const asks = waiting.map(({ ask }) => ask);
    const plan = coordinate(asks, { ...situation, justGranted: this.#justGranted() });
    const byNode = new Map(waiting.map((each) => [each.ask.node, each]));
    for (const { node, because } of plan.waiting)
      byNode.get(node)?.answer(wait(waitForTurnMs, because));
    // Taken before the answer, so that asks of the meantime count these nodes as away.
    const now = this.#parts.clock.monotonicMs();
    for (const { nodes } of plan.requests)
      for (const { node } of nodes) this.#grantedAtMs.set(node, now);
    await Promise.all(plan.requests.map((request) => this.#askCentre(request, byNode)));
  }

  async #askCentre(request: GrantRequest, byNode: ReadonlyMap<NodeId, Waiting>): Promise<void> {
    const answerAll = (answer: GrantAnswer): void => {
      for (const { node } of request.nodes) byNode.get(node)?.answer(answer);
    };
    const free = (): void => {
      for (const { node } of request.nodes) this.#grantedAtMs.delete(node);
    };
    try {
      const reply = await this.#parts.askCentre(request);
      if (reply.outcome === "granted") {
        answerAll({ outcome: "granted", document: reply.document });
        return;
      }
      free();
      answerAll({
        outcome: "wait",
        retryAfterMs: Math.min(86_400_000, Math.max(1_000, reply.retryAfterMs)),
        because: reply.because.slice(0, 20),
      });
    } catch (error) {
      // The request may have been granted all the same, so the nodes stay counted until that has expired.
      this.#parts.log.warn({ error: describeError(error) }, "grant request got no answer");
      answerAll(wait(waitForCentreMs, "the centre did not answer the grant request"));
    }
  }

  #justGranted(): ReadonlySet<NodeId> {
    const now = this.#parts.clock.monotonicMs();
    for (const [node, at] of this.#grantedAtMs)
      if (now - at >= grantValidMs) this.#grantedAtMs.delete(node);
    return new Set(this.#grantedAtMs.keys());
  }
}

const wait = (retryAfterMs: number, because: string): GrantAnswer => ({
  outcome: "wait",
  retryAfterMs,
  because: [because],
});
