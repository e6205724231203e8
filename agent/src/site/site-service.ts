// What a site does for its nodes, whatever way they speak to it (LAN or memory): claims, inventory,
// trust bundle, reports and grants. Reports are durable before they are taken.
import type { Clock } from "@drover/shared/clock";
import type { NodeId, SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import type { NodeDesired } from "@drover/shared/messages/desired";
import type { NodeStateReport, Report } from "@drover/shared/messages/report";
import type { UpdatePhase } from "@drover/shared/node/update-state";
import { judgeClaim, type KnownClaim, keyOf, nodeOfMacs } from "../core/site/claim.ts";
import { ordersFor } from "../core/site/orders-for.ts";
import type {
  ClaimAnswer,
  ClaimRequest,
  GrantAnswer,
  HelloAnswer,
  InventoryAnswer,
  InventoryRequest,
  NodeBundle,
} from "../node-api/contract.ts";
import type { GrantQuestion } from "../node-ports.ts";
import type { TrustKeeper } from "../trust-keeper.ts";
import type { GrantDesk } from "./grant-desk.ts";
import type { ImageCache } from "./image-cache.ts";
import { NodeRefusedError } from "./node-refused-error.ts";
import type { Outbox } from "./outbox.ts";
import type { SiteStore } from "./site-store.ts";

export interface SiteServiceParts {
  readonly site: SiteId;
  readonly keeper: TrustKeeper;
  readonly store: SiteStore;
  readonly outbox: Outbox;
  readonly cache: Pick<ImageCache, "whole">;
  readonly clock: Clock;
  readonly log: Log;
  /** Reports were appended. */
  wakeUplink(): void;
}

const inventoryEveryMs = 10_000;

export class SiteService {
  readonly #parts: SiteServiceParts;
  readonly #desk: () => GrantDesk;
  #claims: KnownClaim[];
  readonly #installed: Map<string, number>;
  readonly #states: Map<NodeId, NodeStateReport>;
  readonly #inventoriedAtMs = new Map<NodeId, number>();
  /** Nodes whose reports are being kept right now. */
  readonly #taking = new Map<NodeId, number>();

  private constructor(
    parts: SiteServiceParts,
    desk: () => GrantDesk,
    claims: KnownClaim[],
    states: Map<NodeId, NodeStateReport>,
    installed: Map<string, number>,
  ) {
    this.#installed = installed;
    this.#parts = parts;
    this.#desk = desk;
    this.#claims = claims;
    this.#states = states;
  }

  /** `desk` is asked for late, because the desk itself looks at the phases kept here. */
  static async open(parts: SiteServiceParts, desk: () => GrantDesk): Promise<SiteService> {
    const states = await parts.store.nodeStates();
    const byNode = new Map(states.map(({ report }) => [report.node, report]));
    return new SiteService(
      parts,
      desk,
      [...(await parts.store.claims())],
      byNode,
      await parts.store.installed(),
    );
  }

  /** Last reported phase of every node. */
  phases(): ReadonlyMap<NodeId, UpdatePhase> {
    return new Map([...this.#states].map(([node, { update }]) => [node, update.phase]));
  }

  /** The key a node has to sign with, or undefined when it never claimed. */
  keyOf(node: NodeId): string | undefined {
    return keyOf(node, this.#claims);
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const { keeper, store, site, clock, log } = this.#parts;
    const { publicKey, installSerial } = request;
    const verdict = judgeClaim(request, keeper.desired, this.#claims);
    if (verdict.kind === "refused") {
      log.warn({ node: verdict.node, because: verdict.because }, "claim was refused");
      if (verdict.isAlarm && verdict.node)
        await this.#append([eventOf(verdict.node, "claim-refused", [verdict.because])]);
      throw new NodeRefusedError(verdict.isAlarm ? 409 : 403, "claim-refused", verdict.because);
    }
    const { node } = verdict;
    if (verdict.isNew) {
      const claim = { node, installSerial, publicKey };
      // Kept in memory at once: two claims of the same moment must not both be taken.
      this.#claims = [...this.#claims, claim];
      await store.keepClaim(claim, clock.now());
      const because = [`install ${installSerial} claimed, short code ${request.shortCode}`];
      await this.#append([eventOf(node, "claimed", because)]);
    }
    return { site, node };
  }

  /** Facts of a known address become a report; a stranger is told nothing. */
  async inventory(request: InventoryRequest): Promise<InventoryAnswer> {
    const { keeper, clock } = this.#parts;
    const node = keeper.desired && nodeOfMacs(keeper.desired, request.macs);
    if (!node) {
      return { node: null, installSerial: null, because: ["no single node has these addresses"] };
    }
    const now = clock.monotonicMs();
    const last = this.#inventoriedAtMs.get(node.id);
    if (last === undefined || now - last >= inventoryEveryMs) {
      this.#inventoriedAtMs.set(node.id, now);
      await this.#append([
        { kind: "node-facts", node: node.id, facts: request.facts },
        eventOf(node.id, "inventoried", []),
      ]);
    }
    const isReady = this.isInstallOpen(node);
    return {
      node: node.id,
      installSerial: isReady ? (node.install?.serial ?? null) : null,
      because: [isReady ? "an install is ordered" : "no install is ordered yet"],
    };
  }

  hello(node: NodeId): HelloAnswer {
    const { site, keeper, clock } = this.#parts;
    return { site, node, generation: keeper.generation, at: keeper.timeAt(clock.now()) };
  }

  bundle(): NodeBundle {
    const { keeper, cache } = this.#parts;
    const { roots, releases, trustFile, desired } = keeper.memory;
    return { roots, releases, trustFile, desired, images: [...cache.whole()].slice(0, 500) };
  }

  /** Takes reports of one node about itself; anything about others is refused as a whole. */
  async takeReports(node: NodeId, reports: readonly Report[]): Promise<void> {
    for (const report of reports) {
      if (report.kind === "site-state" || report.node !== node)
        throw new NodeRefusedError(403, "report-refused", "a node reports only about itself");
    }
    this.#taking.set(node, (this.#taking.get(node) ?? 0) + 1);
    try {
      await this.#keepReports(node, reports);
    } finally {
      this.#taking.set(node, (this.#taking.get(node) ?? 1) - 1);
    }
  }

  async #keepReports(node: NodeId, reports: readonly Report[]): Promise<void> {
    const { store, clock } = this.#parts;
    await this.#append(reports);
    for (const report of reports) {
      if (report.kind === "node-event" && report.event === "installed")
        await this.#noteInstalled(node);
      if (report.kind !== "node-state") continue;
      this.#states.set(node, report);
      this.#desk().heardOf(node, report.update.phase);
      await store.keepNodeState(report, clock.now());
    }
  }

  /**
   * Says again how every node is: a centre whose database was put back does not know it any more. Nodes
   * that report at this moment are left out, so that nothing older follows what they say.
   */
  async repeatStates(): Promise<void> {
    const settled = [...this.#states].filter(([node]) => (this.#taking.get(node) ?? 0) === 0);
    await this.#append(settled.map(([, report]) => report));
  }

  /** An install is ordered for the node and has not been carried out yet. */
  isInstallOpen(node: NodeDesired): boolean {
    if (!node.class || !node.install) return false;
    return (this.#installed.get(node.id) ?? 0) < node.install.serial;
  }

  async #noteInstalled(node: NodeId): Promise<void> {
    const claim = this.#claims.filter((each) => each.node === node).at(-1);
    if (!claim) return;
    this.#installed.set(node, claim.installSerial);
    await this.#parts.store.keepInstalled(node, claim.installSerial);
  }

  async askGrant(node: NodeId, question: GrantQuestion): Promise<GrantAnswer> {
    const { keeper, clock } = this.#parts;
    const view = keeper.view;
    const orders = view && ordersFor(node, view, keeper.timeAt(clock.now()));
    if (!orders?.class || !orders.assigned || orders.hold) {
      const because = orders?.because ?? ["the site does not know the node"];
      return { outcome: "wait", retryAfterMs: 10_000, because: [...because] };
    }
    const { nonce, imageId, rolloutId, rolloutEpoch } = question;
    const { slots } = this.#states.get(node) ?? {};
    const isReturn = [slots?.a, slots?.b].some(
      (slot) => slot?.condition === "good" && slot.imageId === imageId,
    );
    const ask = { node, nonce, imageId, rolloutId, rolloutEpoch, class: orders.class, isReturn };
    return await this.#desk().ask(ask);
  }

  /** Reports of the site about itself. */
  async report(report: Report): Promise<void> {
    await this.#append([report]);
  }

  async #append(reports: readonly Report[]): Promise<void> {
    const { outbox, keeper, clock, wakeUplink } = this.#parts;
    await outbox.append(reports, keeper.generation, keeper.timeAt(clock.now()));
    wakeUplink();
  }
}

function eventOf(
  node: NodeId,
  event: "claimed" | "claim-refused" | "inventoried",
  because: string[],
): Report {
  return {
    kind: "node-event",
    node,
    event,
    imageId: null,
    rolloutId: null,
    grantId: null,
    because,
  };
}
