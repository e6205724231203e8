// A simple model of a site: applies the highest generation, prefetches freely, asks before any node
// changes release, and keeps each report until it is acknowledged. Its disk survives restarts.
import type { NodeId, SiteId } from "@drover/shared/ids";
import type { DesiredBody, DesiredDocument } from "@drover/shared/messages/desired";
import type { GrantDocument, GrantReply } from "@drover/shared/messages/grant";
import { grantValidMs } from "@drover/shared/messages/grant";
import type { NodeEventName, OutboxId, Report } from "@drover/shared/messages/report";
import type { SiteInbox } from "./sim-bus.ts";
import { isAway, rest, type SimNode } from "./sim-node.ts";
import { type SimSiteParts, stateReport } from "./sim-site-parts.ts";

interface Kept {
  readonly seq: number;
  readonly generation: number;
  readonly report: Report;
  sentAt: number;
}

const resendMs = 30_000;
const beatMs = 30_000;
const stateMs = 300_000;
const accepts = { min: 1, max: 1 };

export class SimSite implements SiteInbox {
  readonly id: SiteId;
  readonly nodes: readonly SimNode[];
  readonly outboxId: OutboxId;
  document: DesiredDocument | null = null;
  outbox: Kept[] = [];
  ackedUpTo = 0;
  private seq = 0;
  private beatAt = 0;
  private getAt = 0;
  private askAt = 0;
  private noteAt = 0;
  private readonly parts: SimSiteParts;

  constructor(parts: SimSiteParts) {
    this.parts = parts;
    this.id = parts.id;
    this.nodes = parts.nodes;
    this.outboxId = parts.outboxId;
    parts.bus.connect(parts.id, this);
    for (const node of this.nodes) this.tell(node);
  }

  get generation(): number {
    return this.document?.generation ?? 0;
  }

  /** The process is killed: nonces and open requests are gone, documents and outbox stay. */
  restart(): void {
    for (const node of this.nodes) node.nonce = null;
    this.getAt = 0;
    this.askAt = this.parts.clock.now() + 1_000;
  }

  onDesired(body: DesiredBody): void {
    const document = this.parts.openDesired(body.document);
    if (document.generation <= this.generation) return;
    this.document = document;
    for (const node of this.nodes) this.follow(node);
    this.note();
  }

  onAck({ outboxId, upToSeq }: { outboxId: string; upToSeq: number }): void {
    if (outboxId !== this.outboxId) return;
    this.ackedUpTo = Math.max(this.ackedUpTo, upToSeq);
    this.outbox = this.outbox.filter((kept) => kept.seq > upToSeq);
  }

  /** One look at everything; called every few seconds. */
  tick(): void {
    const { bus, clock } = this.parts;
    const now = clock.now();
    if (now >= this.getAt) {
      this.getAt = now + 600_000;
      const body = bus.getDesired(this.id);
      if (body !== undefined) this.onDesired(body);
    }
    for (const node of this.nodes) this.advance(node, now);
    if (now >= this.beatAt) {
      this.beatAt = now + beatMs;
      const { outboxId, generation } = this;
      const backlog = this.outbox.length;
      bus.sendBeat(this.id, { generation, outboxId, backlog, agentVersion: "0.1.0", accepts });
    }
    for (const kept of this.outbox) if (now - kept.sentAt >= resendMs) this.send(kept);
    if (now >= this.askAt) this.ask(now);
    if (now >= this.noteAt) this.note();
  }

  private assigned() {
    return Object.values(this.document?.classes ?? {})[0]?.assigned ?? null;
  }

  /** A new document: a node before its trial follows it at once, one in its trial finishes first. */
  private follow(node: SimNode): void {
    if (isAway(node)) return;
    const assigned = this.assigned();
    const image = assigned?.release.imageId;
    const wanted =
      assigned &&
      image !== undefined &&
      image !== node.running &&
      !node.refused.includes(image) &&
      !node.unproven.includes(assigned.rolloutId);
    if (!wanted) {
      if (node.phase !== "steady") rest(node);
      return;
    }
    if (node.target === image && node.rolloutId === assigned.rolloutId) return;
    rest(node);
    node.phase = "prefetching";
    node.target = image;
    node.rolloutId = assigned.rolloutId;
    node.phaseEndsAt = this.parts.clock.now() + 5_000 + this.parts.random.integer(60_000);
  }

  private advance(node: SimNode, now: number): void {
    if (now < node.phaseEndsAt) return;
    const { provingMs } = this.document?.policy ?? { provingMs: 60_000 };
    if (node.phase === "prefetching") {
      node.phase = "verified";
      node.phaseEndsAt = Number.POSITIVE_INFINITY;
      this.tell(node);
    } else if (node.phase === "trial") {
      this.endTrial(node, now + provingMs);
    } else if (node.phase === "proving") {
      if (node.target !== null) node.running = node.target;
      this.parts.watch.committed(this, node);
      this.event(node, "committed");
      this.finish(node);
    }
  }

  private endTrial(node: SimNode, provedAt: number): void {
    if (node.fate === "hangs" && this.parts.faults.isOn()) return;
    if (node.fate === "healthy" || node.fate === "hangs") {
      node.phase = "proving";
      node.phaseEndsAt = provedAt;
      this.tell(node);
      return;
    }
    const fellBack = node.fate === "falls-back";
    if (fellBack && node.target !== null) node.refused.push(node.target);
    if (!fellBack && node.rolloutId !== null) node.unproven.push(node.rolloutId);
    node.phase = fellBack ? "fallen-back" : "inconclusive";
    this.tell(node);
    this.event(node, fellBack ? "fell-back" : "inconclusive");
    this.finish(node);
  }

  private finish(node: SimNode): void {
    rest(node);
    this.follow(node);
    this.tell(node);
  }

  /** Asks for as many nodes as the site may have away; each makes a fresh nonce. */
  private ask(now: number): void {
    const [first] = this.nodes.filter((node) => this.mayAsk(node));
    const assigned = first && this.assigned();
    const nodeClass = Object.keys(this.document?.classes ?? {})[0];
    if (!first || !assigned || nodeClass === undefined || first.target === null) return;
    const away = this.nodes.filter(isAway).length;
    const room = (this.document?.policy.maxUnavailable ?? 1) - away;
    const asking = this.nodes
      .filter((n) => this.mayAsk(n) && n.target === first.target)
      .sort((a, b) => a.askedAt - b.askedAt)
      .slice(0, Math.max(0, room));
    if (asking.length === 0) return;
    this.askAt = now + 20_000 + this.parts.random.integer(10_000);
    for (const node of asking) {
      node.askedAt = now;
      node.nonce = {
        text: `nonce${node.id}${now}`.replaceAll("-", "_").padEnd(24, "x"),
        madeAt: now,
      };
    }
    const nodes = asking.map((n) => ({ node: n.id, nonce: n.nonce?.text ?? "" }));
    const { rolloutId, rolloutEpoch } = assigned;
    const request = {
      rolloutId,
      rolloutEpoch,
      class: this.parts.nodeClass,
      imageId: first.target,
      nodes,
    };
    this.parts.bus.requestGrant(this.id, request, (reply) => this.onReply(reply));
  }

  /** A held node would only be told no, and stand in the way of the others. */
  private mayAsk(node: SimNode): boolean {
    const held = this.document?.nodes.some(({ id, hold }) => id === node.id && hold) ?? false;
    return node.phase === "verified" && !held;
  }

  private onReply(reply: GrantReply): void {
    const now = this.parts.clock.now();
    if (reply.outcome === "denied") {
      this.askAt = now + Math.min(reply.retryAfterMs, 60_000);
      return;
    }
    const grant = this.parts.openGrant(reply.document);
    for (const { node: id, nonce } of grant.nodes) this.arm(id, nonce, grant);
  }

  private arm(id: NodeId, nonce: string, grant: GrantDocument): void {
    const node = this.nodes.find((n) => n.id === id);
    const now = this.parts.clock.now();
    if (node === undefined || node.phase !== "verified" || node.nonce?.text !== nonce) return;
    if (now - node.nonce.madeAt > grantValidMs) {
      this.parts.faults.note("grant-expired-unused");
      return;
    }
    if (node.target !== grant.imageId || node.rolloutId !== grant.rolloutId) return;
    node.phase = "trial";
    node.grantId = grant.id;
    node.nonce = null;
    node.fate = this.parts.fateOf(grant.imageId);
    node.phaseEndsAt = now + 20_000 + this.parts.random.integer(60_000);
    this.parts.watch.armed(this, node, grant);
    this.event(node, "armed");
    this.tell(node);
  }

  private tell(node: SimNode): void {
    this.keep(stateReport(node, this.parts.clock.now()));
  }

  /** Every node's state again, whether or not it changed: what the centre knows must not grow old. */
  private note(): void {
    this.noteAt = this.parts.clock.now() + stateMs;
    for (const node of this.nodes) this.tell(node);
  }

  private event(node: SimNode, event: NodeEventName): void {
    const { id, target: imageId, rolloutId, grantId } = node;
    this.keep({ kind: "node-event", node: id, event, imageId, rolloutId, grantId, because: [] });
  }

  private keep(report: Report): void {
    this.seq += 1;
    const kept = { seq: this.seq, generation: this.generation, report, sentAt: 0 };
    this.outbox.push(kept);
    this.send(kept);
  }

  private send(kept: Kept): void {
    kept.sentAt = this.parts.clock.now();
    const { generation, report, seq } = kept;
    this.parts.bus.sendReport(this.id, seq, { outboxId: this.outboxId, generation, report });
  }
}
