// A bus that loses, doubles and reorders messages, cuts sites off and can be wiped. Reports are kept
// until somebody is done with them; desired state keeps the last message per site.
import type {
  AckPublisher,
  DesiredPublisher,
  GrantMessage,
  GrantSource,
  ReportMessage,
  ReportSource,
} from "@drover/server/loops/bus-ports";
import type { SiteId } from "@drover/shared/ids";
import type { DesiredBody } from "@drover/shared/messages/desired";
import { writeMessage } from "@drover/shared/messages/envelope";
import type { GrantReply, GrantRequest } from "@drover/shared/messages/grant";
import type { AckBody, BeatBody, ReportBody } from "@drover/shared/messages/report";
import { subjects } from "@drover/shared/subjects";
import type { Faults } from "./faults.ts";
import type { SimClock } from "./sim-clock.ts";

/** What a site hears. */
export interface SiteInbox {
  onDesired(body: DesiredBody): void;
  onAck(ack: AckBody): void;
}

interface StoredReport {
  readonly message: Omit<ReportMessage, "done">;
  /** Given out to a reader until then; free again afterwards. */
  lentUntil: number;
}

const ackWaitMs = 30_000;

export class SimBus {
  readonly cutOff = new Set<SiteId>();
  wakeReports: () => void = () => {};
  onBeat: (message: { subject: string; bytes: Uint8Array; receivedAt: number }) => void = () => {};
  private readonly clock: SimClock;
  private readonly faults: Faults;
  private readonly inboxes = new Map<SiteId, SiteInbox>();
  private readonly desired = new Map<SiteId, DesiredBody>();
  private reports: StoredReport[] = [];
  private grantListeners: ((message: GrantMessage) => void)[] = [];

  constructor(clock: SimClock, faults: Faults) {
    this.clock = clock;
    this.faults = faults;
  }

  connect(site: SiteId, inbox: SiteInbox): void {
    this.inboxes.set(site, inbox);
  }

  /** Everything the bus held is gone. */
  wipe(): void {
    this.desired.clear();
    this.reports = [];
  }

  /** The last desired message, as a site's direct get finds it; undefined is never "nothing desired". */
  getDesired(site: SiteId): DesiredBody | undefined {
    return this.cutOff.has(site) ? undefined : this.desired.get(site);
  }

  sendReport(site: SiteId, seq: number, body: ReportBody): void {
    const envelope = { kind: "report", site, seq, at: this.clock.now(), body };
    const bytes = writeMessage(envelope);
    const subject = subjects.report(site, body.report.kind);
    this.carry(site, () => {
      const message = { subject, bytes, receivedAt: this.clock.now() };
      this.reports.push({ message, lentUntil: 0 });
      this.wakeReports();
    });
  }

  sendBeat(site: SiteId, body: BeatBody): void {
    const bytes = writeMessage({ kind: "beat", site, seq: 0, at: this.clock.now(), body });
    this.carry(site, () =>
      this.onBeat({ subject: subjects.beat(site), bytes, receivedAt: this.clock.now() }),
    );
  }

  requestGrant(site: SiteId, body: GrantRequest, onReply: (reply: GrantReply) => void): void {
    const bytes = writeMessage({ kind: "grant-request", site, seq: 0, at: this.clock.now(), body });
    this.carry(site, () => {
      const receivedAt = this.clock.now();
      const respond = (reply: GrantReply): void => this.carry(site, () => onReply(reply));
      const listener = this.grantListeners[0];
      listener?.({ subject: subjects.grant(site), bytes, receivedAt, respond });
    });
  }

  readonly publisher: DesiredPublisher = {
    publishDesired: async (site, body) => {
      this.desired.set(site, body);
      this.carry(site, () => this.inboxes.get(site)?.onDesired(body));
    },
  };

  readonly acks: AckPublisher = {
    publishAck: async (site, ack) => {
      this.carry(site, () => this.inboxes.get(site)?.onAck(ack));
    },
  };

  readonly reportSource: ReportSource = {
    nextReports: async ({ max }) => {
      const now = this.clock.now();
      const lent = this.reports.filter((report) => report.lentUntil <= now).slice(0, max);
      return lent.map((report) => {
        report.lentUntil = now + ackWaitMs;
        const done = (): void => {
          this.reports = this.reports.filter((kept) => kept !== report);
        };
        return { ...report.message, done };
      });
    },
  };

  /** Each replica gets its own; the first that listens is asked. */
  grantSource(): GrantSource {
    const waiting: GrantMessage[] = [];
    let wake: () => void = () => {};
    const listener = (message: GrantMessage): void => {
      waiting.push(message);
      wake();
    };
    const stopListening = (): void => {
      this.grantListeners = this.grantListeners.filter((other) => other !== listener);
    };
    return {
      stopListening,
      nextGrantRequests: async ({ max, waitMs, lingerMs, signal }) => {
        if (!this.grantListeners.includes(listener)) this.grantListeners.push(listener);
        signal.addEventListener("abort", stopListening, { once: true });
        if (waiting.length === 0) {
          await new Promise<void>((resolve) => {
            const cancel = this.clock.after(waitMs, resolve);
            wake = () => {
              cancel();
              resolve();
            };
          });
          if (waiting.length > 0) await this.clock.wait(lingerMs);
        }
        return waiting.splice(0, max);
      },
    };
  }

  /** One hop between a site and the centre, with everything that can happen to it. */
  private carry(site: SiteId, deliver: () => void): void {
    const { faults, clock } = this;
    const arrive = (): void => {
      if (!this.cutOff.has(site)) deliver();
    };
    if (this.cutOff.has(site) || faults.strikes("message-lost", 0.05)) return;
    const copies = faults.strikes("message-duplicated", 0.04) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const late = faults.strikes("message-reordered", 0.05);
      clock.after(faults.random.integer(late ? 20_000 : 200), arrive);
    }
  }
}
