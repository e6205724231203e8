// What the loops need from the outside, as small ports with plain records. Every method is one whole
// transaction; every write that decides names the lease term and the version it was decided on.
import type { EpochMs, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { DesiredBody } from "@drover/shared/messages/desired";
import type { AckBody, BeatBody, OutboxId, Report } from "@drover/shared/messages/report";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutState, SiteInRollout } from "@drover/shared/rollout/state";
import type { DesiredContent, SiteDesiredFacts } from "../core/assignment/facts.ts";
import type { GrantDecision, GrantFacts, PendingGrantRequest } from "../core/grant/facts.ts";
import type { GrantOutcome, NewRollout, RolloutFacts, RolloutHead } from "../core/rollout/facts.ts";

/** What a loop leads; one holder each. */
export type LeaseName = "rollouts" | "desired" | "outbox" | "grants";

/** Rises each time a lease changes hands, never within one holding. */
export type LeaseTerm = number;

export interface LeaseStore {
  /** Takes a free or expired lease, or renews an own one; null while another holder has it. */
  holdLease(request: {
    name: LeaseName;
    holder: string;
    now: EpochMs;
    ttlMs: number;
  }): Promise<LeaseTerm | null>;
  /** Gives it up early; the next holder gets a higher term. Not holding it is no error. */
  releaseLease(request: { name: LeaseName; holder: string }): Promise<void>;
}

/** Who writes: a loop under a fenced lease (a stale term throws LeaseLostError), or a person. */
export type Fence =
  | { readonly kind: "loop"; readonly lease: LeaseName; readonly term: LeaseTerm }
  | { readonly kind: "person"; readonly by: string };

/** One line of a timeline; kept for ever with its reasons. */
export interface EventRecord {
  readonly at: EpochMs;
  readonly site: SiteId | null;
  readonly rolloutId: RolloutId | null;
  /** Constant past-tense words, such as `wave opened`. */
  readonly what: string;
  readonly because: readonly string[];
}

/** All that one step of a rollout changes. Applied wholly or not at all. */
export interface RolloutWrite {
  readonly id: RolloutId;
  readonly fence: Fence;
  /** The row's version that was read; another one throws VersionConflictError. */
  readonly expectedVersion: number;
  readonly now: EpochMs;
  readonly state: RolloutState;
  readonly rolloutEpoch: number;
  readonly accepted: RolloutHead["accepted"];
  readonly sites: readonly {
    readonly site: SiteId;
    readonly state: SiteInRollout;
    readonly because: readonly string[];
  }[];
  /** Open grants of this rollout whose outcome is now known; one renewed since `grantedAt` stays open. */
  readonly settled: readonly {
    readonly node: NodeId;
    readonly grantedAt: EpochMs;
    readonly outcome: GrantOutcome;
  }[];
  /** The site's release for a class, once all its nodes of the class run it. */
  readonly siteReleases: readonly {
    readonly site: SiteId;
    readonly class: string;
    readonly release: ReleaseRef;
  }[];
  /** Sites whose desired document may have to change; `members` means every site of the rollout. */
  readonly dirtySites: readonly SiteId[] | "members";
  readonly events: readonly EventRecord[];
}

/** A new rollout with its members as the plan placed them; members start in `waiting`. */
export type RolloutRow = NewRollout;

export interface RolloutStore {
  /**
   * All rows or none. A row whose `rollsBack` names a rollout that is rolled back already is left
   * out with the others of its call; returns whether anything was written.
   */
  createRollouts(request: {
    fence: Fence;
    rows: readonly RolloutRow[];
    events: readonly EventRecord[];
  }): Promise<boolean>;
  /** Rollouts to look at: scheduled, running, paused or halted, and ended ones with open grants. */
  activeRollouts(): Promise<readonly RolloutId[]>;
  /** The row alone, for the words of people. */
  rolloutHead(id: RolloutId): Promise<RolloutHead | null>;
  rolloutFacts(id: RolloutId): Promise<RolloutFacts | null>;
  /** Locks the row as grants do, checks fence and version, writes, raises the version by one. */
  saveRolloutStep(write: RolloutWrite): Promise<void>;
}

export interface DesiredWrite {
  readonly fence: Fence;
  readonly site: SiteId;
  /** Generation that was stored when the content was made; 0 = none. Another one throws VersionConflictError. */
  readonly expectedGeneration: number;
  readonly generation: number;
  readonly content: DesiredContent;
  readonly issuedAt: EpochMs;
  readonly body: DesiredBody;
  /** Clears the dirty mark only if it is still this one. */
  readonly dirtySeq: number;
  readonly because: readonly string[];
}

export interface DesiredStore {
  /** Marked sites and those whose document was issued before `issuedBefore`, oldest mark first. */
  dirtySites(request: { issuedBefore: EpochMs; limit: number }): Promise<readonly SiteId[]>;
  siteDesiredFacts(site: SiteId): Promise<SiteDesiredFacts | null>;
  /** Stores document and outbox row in one transaction. */
  saveDesired(write: DesiredWrite): Promise<void>;
  /** The content is right already: takes the mark away if it is still `dirtySeq`. */
  clearDirty(site: SiteId, dirtySeq: number): Promise<void>;
}

/** A message waiting to be published; `id` rises in commit order per site. */
export interface OutboxRow {
  readonly id: number;
  readonly site: SiteId;
  readonly body: DesiredBody;
}

export interface OutboxStore {
  /** Oldest first. */
  unpublished(limit: number): Promise<readonly OutboxRow[]>;
  markPublished(request: { fence: Fence; ids: readonly number[]; at: EpochMs }): Promise<void>;
  /** Puts every site's newest document into the outbox again (bus wiped); returns how many. */
  republishAll(): Promise<number>;
}

/** A report that could be read; `oldestSeq` is the lowest seq the site still keeps (1 = unknown). */
export interface AcceptedReport {
  readonly outcome: "accepted";
  readonly site: SiteId;
  readonly outboxId: OutboxId;
  readonly seq: number;
  readonly oldestSeq: number;
  readonly at: EpochMs;
  readonly receivedAt: EpochMs;
  readonly generation: number;
  readonly report: Report;
}

/** A message that could not be read; with a position it takes its place in the sequence, so that it is never sent again. */
export interface RejectedReport {
  readonly outcome: "rejected";
  readonly site: SiteId;
  readonly position: { readonly outboxId: OutboxId; readonly seq: number } | null;
  readonly receivedAt: EpochMs;
  readonly reason: string;
  /** First bytes as text, for people. */
  readonly sample: string;
}
export type IncomingReport = AcceptedReport | RejectedReport;

export interface StoredReports {
  /** Per (site, outbox) of the batch: highest seq below which nothing is missing. */
  readonly acks: readonly { readonly site: SiteId; readonly ack: AckBody }[];
  readonly stored: number;
  readonly duplicates: number;
  readonly rejected: number;
  /** Sites that reported a generation above the stored one: the database is older than they are. */
  readonly adopted: readonly { readonly site: SiteId; readonly generation: number }[];
}

export interface ReportStore {
  /**
   * One transaction: drops what (site, outboxId, seq) already holds, appends the rest, updates node
   * and site state only where newer (by order of first sight of the outbox, then seq), moves rollup
   * counts along, raises the site's reported generation (marking it dirty when above the stored one).
   * A node-event `committed`, `fell-back` or `inconclusive` that names the id of the node's open grant
   * ends that grant; `armed`, or a state in trial or proving, marks it armed.
   * Reports of unknown sites or of nodes of another site are stored as rejected.
   */
  storeReports(batch: readonly IncomingReport[]): Promise<StoredReports>;
}

export interface BeatRecord {
  readonly site: SiteId;
  readonly heardAt: EpochMs;
  readonly beat: BeatBody;
}

export interface BeatStore {
  /** Newest beat per site; an older `heardAt` than the stored one changes nothing. Unknown sites are dropped. */
  storeBeats(beats: readonly BeatRecord[]): Promise<StoredReports["adopted"]>;
}

export interface GrantStore {
  /**
   * One transaction: checks the `grants` lease term (LeaseLostError), locks the rollout rows asked
   * for, reads the facts over all rollouts, calls the pure `decide` once, inserts or renews the rows
   * (unique by rollout and node), ends open grants of the same nodes for other rollouts as `unused`
   * (a fresh nonce proves that they were not armed), appends an event per request, commits.
   */
  decideGrants(
    batch: { term: LeaseTerm; requests: readonly PendingGrantRequest[]; now: EpochMs },
    decide: (facts: GrantFacts) => readonly GrantDecision[],
  ): Promise<readonly GrantDecision[]>;
}

export interface FleetStore {
  frozen(): Promise<boolean>;
  /**
   * Stops or allows new grants, starts and desired documents; recorded with its reasons. Unfreezing
   * accepts what every site has reported so far (`adoptedGeneration`) and marks those sites dirty.
   */
  setFrozen(change: {
    frozen: boolean;
    now: EpochMs;
    by: string;
    because: readonly string[];
  }): Promise<void>;
  /** Active sites, and those of them that are ahead: reported > max(stored, adopted) generation. */
  restoreFigures(): Promise<{ readonly activeSites: number; readonly aheadSites: number }>;
}

/** Everything the loops store; the one adapter per database implements all of it. */
export interface LoopStore
  extends LeaseStore,
    RolloutStore,
    DesiredStore,
    OutboxStore,
    ReportStore,
    BeatStore,
    GrantStore,
    FleetStore {}
