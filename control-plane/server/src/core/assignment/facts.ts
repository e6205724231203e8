// Everything a site's desired document is made from, as plain data read at one instant.
import type { EpochMs, ImageId, NodeClass, RolloutId, SiteId } from "@drover/shared/ids";
import type {
  DesiredDocument,
  MetadataPointers,
  NodeDesired,
} from "@drover/shared/messages/desired";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutPhase, SiteInRollout } from "@drover/shared/rollout/state";
import type { SitePolicy } from "@drover/shared/site/policy";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import type { z } from "zod";

/** The document without what changes at every issue: two equal contents need no new generation. */
export type DesiredContent = Omit<DesiredDocument, "generation" | "issuedAt" | "expiresAt">;

/** One class of nodes at the site. */
export interface SiteClass {
  readonly name: NodeClass;
  /** The site's release for the class, or the class's install release while the site has none. */
  readonly committed: ReleaseRef | null;
  readonly minimum: number;
  readonly withdrawn: readonly { readonly imageId: ImageId; readonly reason: string }[];
  readonly procedure: DsseEnvelope | null;
}

/** One rollout that has the site as a member and was started at some time. */
export interface SiteRollout {
  readonly rolloutId: RolloutId;
  readonly rolloutEpoch: number;
  readonly createdAt: EpochMs;
  readonly phase: RolloutPhase;
  readonly releases: Readonly<Record<NodeClass, ReleaseRef>>;
  readonly siteState: SiteInRollout;
  /** Some node of the site was granted the change, whatever came of it. */
  readonly touched: boolean;
}

export interface SiteDesiredFacts {
  readonly site: SiteId;
  readonly status: DesiredDocument["status"];
  readonly policy: SitePolicy;
  readonly nodes: readonly NodeDesired[];
  readonly classes: readonly SiteClass[];
  readonly rollouts: readonly SiteRollout[];
  readonly metadata: z.infer<typeof MetadataPointers>;
  /** What was issued last; null for a new site. */
  readonly stored: {
    readonly generation: number;
    readonly issuedAt: EpochMs;
    readonly content: DesiredContent;
  } | null;
  /** Highest generation the site ever reported: above the stored one after a restore. */
  readonly reportedGeneration: number;
  /** Highest reported generation that a person accepted by unfreezing the fleet; 0 = none. */
  readonly adoptedGeneration: number;
  /** Rises with every reason to look again; a save clears the mark only if it is unchanged. */
  readonly dirtySeq: number;
  readonly frozen: boolean;
}
