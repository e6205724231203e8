// What a site says about itself and its nodes. Each report has (outboxId, seq) and stays in the
// site's outbox until the centre acknowledges it after its own commit.
import { z } from "zod";
import { EpochMs, GrantId, ImageId, NodeId, RolloutId } from "../ids.ts";
import { NodeFacts } from "../node/facts.ts";
import { SlotTable } from "../node/slot.ts";
import { Refusal, UpdateReport } from "../node/update-state.ts";
import { VersionRange } from "./envelope.ts";

const reasons = z.array(z.string().max(500)).max(20);

/** An outbox is one SQLite file; a new one (site re-installed) starts again at seq 1. */
export const OutboxId = z.string().regex(/^o-[a-z0-9]{8,32}$/);
export type OutboxId = z.infer<typeof OutboxId>;

export const NodeFactsReport = z.object({
  kind: z.literal("node-facts"),
  node: NodeId,
  facts: NodeFacts,
});

export const NodeStateReport = z.object({
  kind: z.literal("node-state"),
  node: NodeId,
  slots: SlotTable,
  update: UpdateReport,
  refusals: z.array(Refusal).max(50),
  /** Kernel boot id of the running system, so that a reboot can be told from a restart of the agent. */
  bootId: z.string().max(60),
  agentVersion: z.string().max(40),
  accepts: VersionRange,
});
export type NodeStateReport = z.infer<typeof NodeStateReport>;

/** Things that happened once and decide something. */
export const NodeEventName = z.enum([
  "inventoried",
  "claimed",
  "claim-refused",
  "installed",
  "install-failed",
  "granted",
  "armed",
  "booted",
  "committed",
  "fell-back",
  "inconclusive",
  "refused",
]);
export type NodeEventName = z.infer<typeof NodeEventName>;

export const NodeEventReport = z.object({
  kind: z.literal("node-event"),
  node: NodeId,
  event: NodeEventName,
  imageId: ImageId.nullable(),
  rolloutId: RolloutId.nullable(),
  grantId: GrantId.nullable(),
  because: reasons,
});
export type NodeEventReport = z.infer<typeof NodeEventReport>;

/** Numeric health metrics, name to value, and what the probes said. */
export const NodeHealthReport = z.object({
  kind: z.literal("node-health"),
  node: NodeId,
  metrics: z.record(z.string().regex(/^[a-z][A-Za-z0-9]{0,59}$/), z.number()),
  probes: z
    .array(
      z.object({ name: z.string().max(40), healthy: z.boolean(), detail: z.string().max(500) }),
    )
    .max(40),
});

export const SiteStateReport = z.object({
  kind: z.literal("site-state"),
  agentVersion: z.string().max(40),
  accepts: VersionRange,
  startedAt: EpochMs,
  cacheBytes: z.number().int().min(0),
  /** Content bytes taken from the WAN since the cache was made, by image. */
  wanBytes: z.record(ImageId, z.number().int().min(0)),
  rssBytesMax: z.number().int().min(0),
  because: reasons,
});

/** Why a boot of a node went as it did: one timeline per boot. */
export const BootEventReport = z.object({
  kind: z.literal("boot-event"),
  node: NodeId.nullable(),
  mac: z.string().max(20),
  bootSeq: z.number().int().min(0),
  step: z.string().max(60),
  because: reasons,
});

export const Report = z.discriminatedUnion("kind", [
  NodeFactsReport,
  NodeStateReport,
  NodeEventReport,
  NodeHealthReport,
  SiteStateReport,
  BootEventReport,
]);
export type Report = z.infer<typeof Report>;
export type ReportKind = Report["kind"];

/** Body of a report message; the envelope carries seq and when it was written. */
export const ReportBody = z.object({
  outboxId: OutboxId,
  /** Generation of desired state applied when the report was written; 0 = none yet. */
  generation: z.number().int().min(0),
  /**
   * Lowest seq still in the outbox when this was sent: everything below was acknowledged once, so a
   * centre restored from a backup does not wait for it.
   */
  oldestSeq: z.number().int().min(1).optional(),
  report: Report,
});
export type ReportBody = z.infer<typeof ReportBody>;

/** Centre to site after its commit: everything of this outbox up to and including `upToSeq` is stored. */
export const AckBody = z.object({ outboxId: OutboxId, upToSeq: z.number().int().min(0) });
export type AckBody = z.infer<typeof AckBody>;

/** A sign of life; in no stream. */
export const BeatBody = z.object({
  generation: z.number().int().min(0),
  outboxId: OutboxId,
  /** Reports not yet acknowledged. */
  backlog: z.number().int().min(0),
  agentVersion: z.string().max(40),
  accepts: VersionRange,
});
export type BeatBody = z.infer<typeof BeatBody>;
