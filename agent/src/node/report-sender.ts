// Sends a node's reports to its site: facts once per start, state when it changes and every half minute,
// health with it, events until they are taken. Nothing is dropped because a site agent was away.
import type { NodeId } from "@drover/shared/ids";
import type { Report } from "@drover/shared/messages/report";
import type { NodeFacts } from "@drover/shared/node/facts";
import type { UpdateState } from "../core/update/state.ts";
import { reportsOf } from "../node-reports.ts";
import type { ProbeAnswer } from "./run-probes.ts";
import type { NodeSite } from "./site-ports.ts";

export interface ReportSenderParts {
  readonly node: NodeId;
  readonly agentVersion: string;
  readonly bootId: string;
  readonly facts: NodeFacts;
  readonly site: Pick<NodeSite, "sendReports">;
  state(): UpdateState;
  health(): Promise<Record<string, number>>;
  /** What the probes last said; empty before they first ran. */
  probes(): readonly ProbeAnswer[];
  /** Events up to this number are with the site now. */
  onEventsSent(upToSeq: number): void;
}

const repeatMs = 30_000;

export class ReportSender {
  readonly #parts: ReportSenderParts;
  #hasSentFacts = false;
  #sentText = "";
  #repeatedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ReportSenderParts) {
    this.#parts = parts;
  }

  /** Sends whatever is due; throws when the site did not take it. `nowMs` is monotonic. */
  async send(nowMs: number): Promise<void> {
    const { node, bootId, agentVersion, facts, site, onEventsSent } = this.#parts;
    const state = this.#parts.state();
    const news = reportsOf(node, state, { bootId, agentVersion });
    const text = JSON.stringify(news);
    const isRepeat = nowMs - this.#repeatedAtMs >= repeatMs;
    if (!isRepeat && text === this.#sentText) return;
    const reports: Report[] = this.#hasSentFacts ? [] : [{ kind: "node-facts", node, facts }];
    reports.push(...news);
    if (isRepeat) reports.push(await this.#healthReport());
    await site.sendReports(reports);
    this.#hasSentFacts = true;
    this.#sentText = text;
    if (isRepeat) this.#repeatedAtMs = nowMs;
    const last = state.events.at(-1);
    if (last) onEventsSent(last.seq);
  }

  async #healthReport(): Promise<Report> {
    const { node, health, probes } = this.#parts;
    return { kind: "node-health", node, metrics: await health(), probes: [...probes()] };
  }
}
