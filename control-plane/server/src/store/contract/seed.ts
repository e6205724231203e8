// What a store under test lets the contract suite put in place: rows that people's requests make in
// production. Every adapter maps them to its own tables.
import type { EpochMs, ImageId, MacAddress, NodeClass, NodeId, SiteId } from "@drover/shared/ids";
import type { DesiredDocument, InstallIntent } from "@drover/shared/messages/desired";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { SitePolicy } from "@drover/shared/site/policy";
import type { SiteFields } from "@drover/shared/site/site";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import type { z } from "zod";
import type { EventRecord, LoopStore } from "../../loops/ports.ts";

export interface SiteRow extends SiteFields {
  readonly id: SiteId;
  readonly status: DesiredDocument["status"];
  readonly policy: SitePolicy;
}

export interface NodeRow {
  readonly id: NodeId;
  readonly site: SiteId;
  readonly macs: readonly MacAddress[];
  readonly class: NodeClass | null;
  readonly hold: boolean;
  readonly install: z.infer<typeof InstallIntent> | null;
  readonly refusalsCleared: number;
}

export interface ClassRow {
  readonly name: NodeClass;
  /** Release for new and empty nodes; a site's own committed release goes before it. */
  readonly release: ReleaseRef | null;
  readonly minimum: number;
  readonly withdrawn: readonly { readonly imageId: ImageId; readonly reason: string }[];
  readonly procedure: DsseEnvelope | null;
}

/** Nodes by running image; hollow and real apart. */
export interface NodeCount {
  readonly hollow: boolean;
  readonly imageId: ImageId | null;
  readonly nodes: number;
}

export interface StoreSeed {
  putSite(row: SiteRow): Promise<void>;
  putNode(row: NodeRow): Promise<void>;
  putClass(row: ClassRow): Promise<void>;
  markDirty(site: SiteId): Promise<void>;
}

/** What the suite reads back beside the loops' own ports. */
export interface StoreProbe {
  events(): Promise<readonly EventRecord[]>;
  /** The rollup counts kept in the reports' transaction. */
  nodeCounts(): Promise<readonly NodeCount[]>;
  heardAt(site: SiteId): Promise<EpochMs | null>;
  /** Stored reports of one outbox, seq ascending; rejected ones included. */
  reportSeqs(site: SiteId, outboxId: string): Promise<readonly number[]>;
}

export interface StoreUnderTest {
  readonly store: LoopStore;
  readonly seed: StoreSeed;
  readonly probe: StoreProbe;
  close(): Promise<void>;
}
