// What a simulated site is made of, and how it puts its nodes' state into words.
import type { ImageId, NodeClass, SiteId } from "@drover/shared/ids";
import type { DesiredDocument } from "@drover/shared/messages/desired";
import type { GrantDocument } from "@drover/shared/messages/grant";
import type { NodeStateReport, OutboxId } from "@drover/shared/messages/report";
import type { Random } from "@drover/shared/random";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import type { Faults } from "./faults.ts";
import type { SimBus } from "./sim-bus.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimNode, TrialFate } from "./sim-node.ts";
import type { SimSite } from "./sim-site.ts";

/** Told of what nodes really do, for the invariants. */
export interface SiteWatch {
  armed(site: SimSite, node: SimNode, grant: GrantDocument): void;
  committed(site: SimSite, node: SimNode): void;
}

export interface SimSiteParts {
  readonly id: SiteId;
  readonly nodeClass: NodeClass;
  readonly nodes: readonly SimNode[];
  readonly outboxId: OutboxId;
  readonly bus: SimBus;
  readonly clock: SimClock;
  readonly random: Random;
  readonly faults: Faults;
  readonly watch: SiteWatch;
  readonly fateOf: (imageId: ImageId) => TrialFate;
  readonly openDesired: (envelope: DsseEnvelope) => DesiredDocument;
  readonly openGrant: (envelope: DsseEnvelope) => GrantDocument;
}

export function stateReport(node: SimNode, now: number): NodeStateReport {
  return {
    kind: "node-state",
    node: node.id,
    slots: {
      booted: "a",
      a: { condition: "good", imageId: node.running },
      b: { condition: "empty", imageId: null },
      measuredImageId: node.running,
    },
    update: {
      phase: node.phase,
      imageId: node.target,
      rolloutId: node.rolloutId,
      grantId: node.grantId,
      attempt: 0,
      since: now,
      doneBytes: 0,
      totalBytes: 0,
      because: [],
    },
    refusals: node.refused.map((imageId) => ({ imageId, at: now, because: [] })),
    bootId: "boot",
    agentVersion: "0.1.0",
    accepts: { min: 1, max: 1 },
  };
}
