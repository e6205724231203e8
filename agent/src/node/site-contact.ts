// The node's steady conversation with its site agent: is it there, has desired state changed, take what
// there is to report. Everything learnt is verified and kept before it counts; silence is normal.
import { describeError } from "@drover/shared/errors";
import type { ImageId, NodeId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { ordersFor } from "../core/site/orders-for.ts";
import type { NodeOrders } from "../core/update/orders.ts";
import type { TrustKeeper, TrustMemory } from "../trust-keeper.ts";
import { backOffMs } from "./install-session.ts";
import type { ReportSender } from "./report-sender.ts";
import type { NodeSite } from "./site-ports.ts";
import { learnBundle } from "./trust-bundle.ts";

export interface SiteContactParts {
  readonly node: NodeId;
  readonly keeper: TrustKeeper;
  readonly site: Pick<NodeSite, "hello" | "bundle">;
  readonly reports: ReportSender;
  readonly log: Log;
  /** Durable when it returns. */
  remember(trust: TrustMemory): void;
  onOrders(orders: NodeOrders): void;
  /** Wall clock, epoch ms. */
  now(): number;
  monotonicMs(): number;
  random(): number;
}

const contactMs = 5_000;
const bundleMs = 300_000;

export class SiteContact {
  readonly #parts: SiteContactParts;
  #failures = 0;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  #bundleAtMs = Number.NEGATIVE_INFINITY;
  #generation = -1;
  #images: readonly ImageId[] = [];

  constructor(parts: SiteContactParts) {
    this.#parts = parts;
  }

  /** One round when it is due. Never throws: the next round comes later when this one failed. */
  async round(): Promise<void> {
    const { log, monotonicMs, random } = this.#parts;
    if (monotonicMs() < this.#nextAtMs) return;
    try {
      await this.#talk();
      if (this.#failures > 0) log.info({ failures: this.#failures }, "site agent answers again");
      this.#failures = 0;
      this.#nextAtMs = monotonicMs() + contactMs * (0.8 + 0.4 * random());
    } catch (error) {
      if (this.#failures === 0)
        log.warn({ error: describeError(error) }, "site agent did not answer");
      this.#nextAtMs = monotonicMs() + backOffMs(this.#failures, random());
      this.#failures += 1;
    }
  }

  /** Images that the site can deliver whole, asked now. */
  async deliverable(): Promise<readonly ImageId[]> {
    await this.#takeBundle();
    return this.#images;
  }

  /** What verified desired state asks of this node now; expiry makes that a question of time. */
  tellOrders(): void {
    const { keeper, node, now, onOrders } = this.#parts;
    const orders = keeper.view && ordersFor(node, keeper.view, keeper.timeAt(now()));
    if (orders) onOrders(orders);
  }

  async #talk(): Promise<void> {
    const { site, reports, monotonicMs } = this.#parts;
    const { generation } = await site.hello();
    const isOld = monotonicMs() - this.#bundleAtMs >= bundleMs;
    if (generation !== this.#generation || isOld) {
      await this.#takeBundle();
      this.#generation = generation;
    }
    this.tellOrders();
    await reports.send(monotonicMs());
  }

  async #takeBundle(): Promise<void> {
    const { site, keeper, remember, monotonicMs } = this.#parts;
    const bundle = await site.bundle();
    const before = keeper.memory;
    try {
      learnBundle(keeper, bundle);
    } finally {
      // What was verified before a bad document stays learnt.
      if (keeper.memory !== before) remember(keeper.memory);
    }
    this.#images = bundle.images;
    this.#bundleAtMs = monotonicMs();
  }
}
