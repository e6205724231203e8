// The committed state of the in-memory store, as plain maps. A transaction works on these directly
// and must check everything before its first write: nothing half-written stays.
import type { EpochMs, GrantId, ImageId, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { NodeStateReport } from "@drover/shared/messages/report";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { SiteInRollout } from "@drover/shared/rollout/state";
import type { DesiredContent } from "../../core/assignment/facts.ts";
import { isAhead } from "../../core/fleet/restore.ts";
import type { GrantOutcome, NewRollout, RolloutHead } from "../../core/rollout/facts.ts";
import type { EventRecord, IncomingReport, OutboxRow } from "../../loops/ports.ts";
import type { ClassRow, NodeRow, SiteRow } from "../contract/seed.ts";

export interface LeaseRow {
  holder: string;
  term: number;
  expiresAt: EpochMs;
}

export interface SiteRecord {
  row: SiteRow;
  heardAt: EpochMs | null;
  reportedGeneration: number;
  adoptedGeneration: number;
  dirtySeq: number;
  /** Null when clean; orders dirty sites. */
  dirtySince: number | null;
  desired: { generation: number; issuedAt: EpochMs; content: DesiredContent } | null;
  committed: Map<string, ReleaseRef>;
}

export interface NodeRecord {
  row: NodeRow;
  state: NodeStateReport | null;
  model: string;
  /** Order of the state kept: outbox by first sight, then seq. */
  stateOrder: readonly [number, number];
  reportGeneration: number;
  reportedAt: EpochMs | null;
}

export interface MemberRecord {
  readonly member: NewRollout["members"][number];
  state: SiteInRollout;
  since: EpochMs;
  because: readonly string[];
}

export interface RolloutRecord {
  head: RolloutHead;
  readonly members: Map<SiteId, MemberRecord>;
}

export interface GrantRecord {
  readonly id: GrantId;
  readonly rolloutId: RolloutId;
  readonly site: SiteId;
  readonly node: NodeId;
  readonly imageId: ImageId;
  rolloutEpoch: number;
  nonce: string;
  grantedAt: EpochMs;
  armed: boolean;
  outcome: GrantOutcome | null;
}

export interface OutboxLog {
  /** Order of first sight among the outboxes of its site. */
  readonly order: number;
  readonly reports: Map<number, IncomingReport>;
  upToSeq: number;
}

export interface Tables {
  readonly leases: Map<string, LeaseRow>;
  readonly sites: Map<SiteId, SiteRecord>;
  readonly nodes: Map<NodeId, NodeRecord>;
  readonly classes: Map<string, ClassRow>;
  readonly rollouts: Map<RolloutId, RolloutRecord>;
  /** Key: rollout, space, node. */
  readonly grants: Map<string, GrantRecord>;
  /** Key: site, space, outbox id. */
  readonly reports: Map<string, OutboxLog>;
  readonly unplaced: IncomingReport[];
  readonly outbox: (OutboxRow & { published: boolean })[];
  readonly events: EventRecord[];
  /** Key: kind, space, image id. */
  readonly nodeCounts: Map<string, number>;
  frozen: boolean;
  clock: number;
}

export function emptyTables(): Tables {
  return {
    leases: new Map(),
    sites: new Map(),
    nodes: new Map(),
    classes: new Map(),
    rollouts: new Map(),
    grants: new Map(),
    reports: new Map(),
    unplaced: [],
    outbox: [],
    events: [],
    nodeCounts: new Map(),
    frozen: false,
    clock: 0,
  };
}

export const grantKey = (rollout: RolloutId, node: NodeId): string => `${rollout} ${node}`;
export const outboxKey = (site: SiteId, outboxId: string): string => `${site} ${outboxId}`;

export function isSiteAhead(site: SiteRecord): boolean {
  return isAhead({
    stored: site.desired?.generation ?? 0,
    reported: site.reportedGeneration,
    adopted: site.adoptedGeneration,
  });
}

/** Gives the site a reason to be looked at. */
export function markDirty(tables: Tables, site: SiteRecord): void {
  site.dirtySeq += 1;
  tables.clock += 1;
  site.dirtySince ??= tables.clock;
}

export function nodesOfSite(tables: Tables, site: SiteId): readonly NodeRecord[] {
  return [...tables.nodes.values()].filter((node) => node.row.site === site);
}
