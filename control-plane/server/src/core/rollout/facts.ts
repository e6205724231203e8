// Everything a decision about one rollout may look at, as plain data. Stores load it, the pure core
// reads it; nothing here was decided yet.
import type {
  EpochMs,
  GrantId,
  ImageId,
  NodeClass,
  NodeId,
  RolloutId,
  SiteId,
} from "@drover/shared/ids";
import type { UpdatePhase } from "@drover/shared/node/update-state";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutPolicy } from "@drover/shared/rollout/policy";
import type { RolloutState, SiteInRollout } from "@drover/shared/rollout/state";

/** The rollout row: what it brings, where it stands, and the two counters that fence writers. */
export interface RolloutHead {
  readonly id: RolloutId;
  readonly name: string;
  readonly createdAt: EpochMs;
  readonly policy: RolloutPolicy;
  /** Release per class of node. */
  readonly releases: Readonly<Record<NodeClass, ReleaseRef>>;
  readonly waveCount: number;
  readonly state: RolloutState;
  /** Raised by halt, so that no older grant request can be answered with yes. */
  readonly rolloutEpoch: number;
  /** Rises with every write of the row; a writer names the one it read. */
  readonly version: number;
  /** Failed and silent sites per wave that a person accepted when un-halting; 0 before. */
  readonly accepted: { readonly failed: number; readonly silent: number };
  /** The rollout this one takes back, when it is a roll back. */
  readonly rollsBack: RolloutId | null;
  /** Some rollout that was not cancelled takes this one back. */
  readonly rolledBack: boolean;
}

/** How a grant ended; a grant without an outcome is open and counts against every cap. */
export type GrantOutcome = "committed" | "fallen-back" | "inconclusive" | "unused";

/** The one grant a node has in a rollout. Nodes granted in one reply share the id. */
export interface NodeGrant {
  readonly id: GrantId;
  /** When it was last issued: a renewal before arming moves it. */
  readonly grantedAt: EpochMs;
  readonly rolloutEpoch: number;
  readonly outcome: GrantOutcome | null;
}

/** One node of a site, as it last reported itself, seen from one rollout. */
export interface NodeInRollout {
  readonly id: NodeId;
  readonly class: NodeClass | null;
  readonly hold: boolean;
  readonly phase: UpdatePhase | null;
  /** The image the node says it is moving to. */
  readonly movingTo: ImageId | null;
  /** The rollout that the node says it is moving for. */
  readonly movingFor: RolloutId | null;
  /** The image that the running system measured. */
  readonly running: ImageId | null;
  /** Images the node refuses until a person clears them. */
  readonly refuses: readonly ImageId[];
  /** When the centre stored the node's last state; null when it never reported. */
  readonly reportedAt: EpochMs | null;
  /** Generation that the site had applied when it wrote that state; 0 = none. */
  readonly reportGeneration: number;
  readonly grant: NodeGrant | null;
}

/** One site of a rollout: its place, where it stands, and its nodes. */
export interface RolloutSite {
  readonly site: SiteId;
  /** Counts from 0. */
  readonly wave: number;
  readonly state: SiteInRollout;
  readonly since: EpochMs;
  readonly status: "active" | "quarantined" | "decommissioned";
  /** Hollow and real sites are never mixed in a figure. */
  readonly hollow: boolean;
  readonly stratum: string;
  readonly heardAt: EpochMs | null;
  readonly beatMs: number;
  /** Left out of this rollout by a person. */
  readonly excluded: boolean;
  /** The site's release per class when the rollout was planned: where a roll back takes it. */
  readonly before: Readonly<Record<NodeClass, ReleaseRef | null>>;
  /** The site's release per class now. */
  readonly committed: Readonly<Record<NodeClass, ReleaseRef | null>>;
  /** The stored desired document: what it assigns per class, and its generation. */
  readonly document: {
    readonly generation: number;
    readonly assigned: Readonly<
      Record<NodeClass, { readonly rolloutId: RolloutId; readonly rolloutEpoch: number } | null>
    >;
  } | null;
  readonly nodes: readonly NodeInRollout[];
}

/** One rollout with all its sites, read at one instant. */
export interface RolloutFacts {
  readonly head: RolloutHead;
  readonly sites: readonly RolloutSite[];
}

/** A rollout to be stored, with its members as the plan placed them. */
export interface NewRollout {
  readonly head: RolloutHead;
  readonly members: readonly {
    readonly site: SiteId;
    readonly wave: number;
    readonly stratum: string;
    readonly excluded: boolean;
    readonly before: Readonly<Record<NodeClass, ReleaseRef | null>>;
  }[];
}
