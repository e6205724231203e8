// Everything a batch of grant requests is decided on, read inside the transaction that holds the
// rollout rows locked. In-flight facts span ALL rollouts, not only those asked for.
import type {
  EpochMs,
  GrantId,
  ImageId,
  NodeClass,
  NodeId,
  RolloutId,
  SiteId,
} from "@drover/shared/ids";
import type { GrantRequest } from "@drover/shared/messages/grant";
import type { SiteInRollout } from "@drover/shared/rollout/state";
import type { SitePolicy } from "@drover/shared/site/policy";
import type { GrantOutcome, RolloutHead } from "../rollout/facts.ts";

/** One request as it arrived; `key` is the caller's and comes back on the answer. */
export interface PendingGrantRequest {
  readonly key: string;
  readonly site: SiteId;
  readonly request: GrantRequest;
  readonly receivedAt: EpochMs;
}

export interface GrantNode {
  readonly id: NodeId;
  readonly class: NodeClass | null;
  readonly hold: boolean;
  readonly running: ImageId | null;
  readonly refuses: readonly ImageId[];
}

/** A site that asked. */
export interface GrantSite {
  readonly site: SiteId;
  readonly status: "active" | "quarantined" | "decommissioned";
  readonly hollow: boolean;
  readonly region: string;
  readonly pair: SiteId | null;
  readonly timeZone: string;
  readonly policy: SitePolicy;
  /** Reported a generation above the stored one that no person accepted yet: the database is older than the site. */
  readonly ahead: boolean;
  readonly nodes: readonly GrantNode[];
  /** Where the site stands in each rollout asked for. */
  readonly memberships: readonly {
    readonly rolloutId: RolloutId;
    readonly wave: number;
    readonly state: SiteInRollout;
    readonly excluded: boolean;
  }[];
}

/** A grant that has no outcome yet, of any rollout and any site. */
export interface OpenGrant {
  readonly site: SiteId;
  readonly hollow: boolean;
  readonly node: NodeId;
  readonly rolloutId: RolloutId;
  readonly region: string;
  readonly pair: SiteId | null;
  /** True once the grant is older than its rollout's `gate.silenceMs`: it no longer counts against fleet-wide caps, but still against its pair and itself. */
  readonly silent: boolean;
}

/** A grant of a node that asks again. */
export interface EarlierGrant {
  readonly id: GrantId;
  readonly rolloutId: RolloutId;
  readonly node: NodeId;
  readonly outcome: GrantOutcome | null;
  /** The node reported that it armed a trial with this grant. */
  readonly armed: boolean;
}

export interface GrantFacts {
  readonly frozen: boolean;
  /** Images known bad, whatever rollout brings them. */
  readonly withdrawn: readonly ImageId[];
  readonly rollouts: readonly RolloutHead[];
  readonly sites: readonly GrantSite[];
  readonly openGrants: readonly OpenGrant[];
  readonly earlierGrants: readonly EarlierGrant[];
}

/** A row to write, one per rollout and node: new, or a renewal of the node's earlier one, whose id it keeps. */
export interface GrantRow {
  readonly id: GrantId;
  readonly rolloutId: RolloutId;
  readonly rolloutEpoch: number;
  readonly site: SiteId;
  readonly node: NodeId;
  readonly nonce: string;
  readonly imageId: ImageId;
  readonly grantedAt: EpochMs;
  readonly renewal: boolean;
}

export type GrantDecision =
  | {
      readonly key: string;
      readonly outcome: "granted";
      readonly rows: readonly GrantRow[];
      readonly because: readonly string[];
    }
  | {
      readonly key: string;
      readonly outcome: "denied";
      readonly retryAfterMs: number;
      readonly because: readonly string[];
    };
