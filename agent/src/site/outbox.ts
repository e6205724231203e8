// Reports on their way to the centre: numbered without gaps while appended, kept until the centre
// acknowledges them after its commit, sent again when it does not. Order of sending is order of numbers.
import type { Report } from "@drover/shared/messages/report";
import { type AckBody, type OutboxId, ReportBody } from "@drover/shared/messages/report";
import type { OutboxRow, SiteStore } from "./site-store.ts";

/** A report that is not acknowledged by then is sent again. */
export const resendAfterMs = 30_000;
const windowRows = 300;
const rowsMax = 100_000;

interface Waiting extends OutboxRow {
  sentAtMs: number | undefined;
}

export interface OutboxMessage {
  readonly seq: number;
  readonly kind: Report["kind"];
  readonly at: number;
  readonly body: ReportBody;
}

export class Outbox {
  readonly #store: SiteStore;
  readonly outboxId: OutboxId;
  #lastSeq: number;
  #ackedSeq = 0;
  #backlog: number;
  /** The oldest unacknowledged reports; only these are in memory. */
  #window: Waiting[] = [];
  #appending: Promise<void> = Promise.resolve();

  private constructor(
    store: SiteStore,
    place: { outboxId: OutboxId; lastSeq: number },
    backlog: number,
  ) {
    this.#store = store;
    this.outboxId = place.outboxId;
    this.#lastSeq = place.lastSeq;
    this.#backlog = backlog;
  }

  static async open(store: SiteStore, freshId: OutboxId): Promise<Outbox> {
    const place = await store.outboxPlace(freshId);
    return new Outbox(store, place, await store.reportCount());
  }

  /** Reports not yet acknowledged. */
  get backlog(): number {
    return this.#backlog;
  }

  /** Keeps reports durably; resolves after the commit. Appends are strictly one after the other. */
  async append(reports: readonly Report[], generation: number, at: number): Promise<void> {
    const turn = this.#appending.then(() => this.#append(reports, generation, at));
    this.#appending = turn.catch(() => undefined);
    await turn;
  }

  async #append(reports: readonly Report[], generation: number, at: number): Promise<void> {
    const rows = reports.map((report, position) => ({
      seq: this.#lastSeq + 1 + position,
      kind: report.kind,
      at,
      text: JSON.stringify({ outboxId: this.outboxId, generation, report } satisfies ReportBody),
    }));
    if (this.#backlog + rows.length > rowsMax) {
      await this.#store.thinReports(rowsMax / 10);
      this.#backlog = await this.#store.reportCount();
      this.#window = [];
    }
    await this.#store.appendReports(rows);
    this.#lastSeq += rows.length;
    this.#backlog += rows.length;
  }

  /**
   * What should be sent now, lowest number first; calling it counts as sending. Each says which number
   * is the oldest still kept: a centre with an older database must not wait for those before.
   */
  async due(nowMs: number): Promise<OutboxMessage[]> {
    await this.#refill();
    const oldestSeq = this.#window[0]?.seq;
    const due = this.#window.filter(
      (row) => row.sentAtMs === undefined || nowMs - row.sentAtMs >= resendAfterMs,
    );
    for (const row of due) row.sentAtMs = nowMs;
    return due.map(({ seq, kind, at, text }) => ({
      seq,
      kind: kind as Report["kind"],
      at,
      body: { ...ReportBody.parse(JSON.parse(text)), oldestSeq },
    }));
  }

  async #refill(): Promise<void> {
    if (this.#window.length >= windowRows) return;
    const after = this.#window.at(-1)?.seq ?? this.#ackedSeq;
    if (after >= this.#lastSeq) return;
    const rows = await this.#store.reportsAfter(after, windowRows - this.#window.length);
    const known = this.#window.at(-1)?.seq ?? this.#ackedSeq;
    this.#window.push(
      ...rows.filter((row) => row.seq > known).map((row) => ({ ...row, sentAtMs: undefined })),
    );
  }

  /** After a reconnect nothing on its way can be relied on: all of it is due again. */
  forgetSent(): void {
    for (const row of this.#window) row.sentAtMs = undefined;
  }

  /** Drops what the centre has stored. An acknowledgement of another outbox is ignored. */
  async acknowledge(ack: AckBody): Promise<void> {
    if (ack.outboxId !== this.outboxId || ack.upToSeq <= this.#ackedSeq) return;
    this.#ackedSeq = Math.min(ack.upToSeq, this.#lastSeq);
    this.#window = this.#window.filter((row) => row.seq > this.#ackedSeq);
    await this.#store.dropReports(this.#ackedSeq);
    this.#backlog = await this.#store.reportCount();
  }
}
