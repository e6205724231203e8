// What must hold at every moment of every run. Each check compares what nodes really do with what the
// store has committed; the first broken one ends the run.
import { regionPrefix } from "@drover/server/core/grant/in-flight";
import type { AckPublisher } from "@drover/server/loops/bus-ports";
import type { LoopStore } from "@drover/server/loops/ports";
import { grantKey, outboxKey, type Tables } from "@drover/server/store/in-memory/tables";
import { invariant } from "@drover/shared/errors";
import type { NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { GrantDocument } from "@drover/shared/messages/grant";
import type { Faults } from "./faults.ts";
import { isAway, type SimNode } from "./sim-node.ts";
import type { SimSite } from "./sim-site.ts";
import type { SiteWatch } from "./sim-site-parts.ts";

export interface Watched {
  readonly tables: Tables;
  readonly faults: Faults;
  readonly sites: () => readonly SimSite[];
  readonly now: () => number;
}

export class Invariants implements SiteWatch {
  private readonly watched: Watched;
  private readonly armings = new Map<string, number>();
  private readonly grantIds = new Map<string, string>();
  private readonly epochs = new Map<RolloutId, number>();
  private readonly generations = new Map<SiteId, number>();
  private readonly applied = new Map<SiteId, number>();
  private readonly committedBy = new Map<NodeId, GrantDocument>();

  constructor(watched: Watched) {
    this.watched = watched;
  }

  /** A node changes release: only with a grant that was committed for it, and never above a cap. */
  armed(site: SimSite, node: SimNode, grant: GrantDocument): void {
    const { tables } = this.watched;
    const key = grantKey(grant.rolloutId, node.id);
    const row = tables.grants.get(key);
    invariant(row !== undefined, `${node.id} armed without a stored grant`);
    invariant(row.id === grant.id, `${node.id} armed with ${grant.id}, stored is ${row.id}`);
    invariant(row.site === site.id && grant.site === site.id, `${grant.id} is for another site`);
    invariant(row.imageId === grant.imageId, `${grant.id} is for another image`);
    invariant(row.outcome === null, `${grant.id} was ${row.outcome} before ${node.id} armed it`);
    const count = (this.armings.get(key) ?? 0) + 1;
    this.armings.set(key, count);
    invariant(count === 1, `${node.id} armed ${count} times in ${grant.rolloutId}`);
    this.committedBy.set(node.id, grant);
    this.checkSite(site);
    this.checkPlaces(site, grant.rolloutId);
  }

  committed(_site: SimSite, node: SimNode): void {
    const grant = this.committedBy.get(node.id);
    invariant(grant?.imageId === node.running, `${node.id} runs ${node.running} without a grant`);
  }

  private checkSite(site: SimSite): void {
    const away = site.nodes.filter(isAway).length;
    const max = this.watched.tables.sites.get(site.id)?.row.policy.maxUnavailable ?? 0;
    invariant(away <= max, `${away} nodes of ${site.id} are away, at most ${max} may be`);
  }

  /** Sites judged silent no longer count against the fleet, but still against their pair. */
  private checkPlaces(site: SimSite, rolloutId: RolloutId): void {
    const { tables, sites } = this.watched;
    const rollout = tables.rollouts.get(rolloutId);
    const own = tables.sites.get(site.id)?.row;
    if (rollout === undefined || own === undefined) return;
    const { inFlightMax, place } = rollout.head.policy;
    const away = sites().filter((other) => other.nodes.some(isAway));
    const pair = away.find((other) => other.id === own.pair);
    invariant(pair === undefined, `${site.id} and its pair ${pair?.id} are away together`);
    const counted = away.filter((other) => !this.isSilent(other));
    const ofRollout = counted.filter((o) =>
      o.nodes.some((n) => isAway(n) && n.rolloutId === rolloutId),
    );
    invariant(
      ofRollout.length <= inFlightMax,
      `${ofRollout.length} sites of ${rolloutId} are away, at most ${inFlightMax} may be`,
    );
    if (place.regionInFlightMax === 0) return;
    const prefix = regionPrefix(own.region, place.regionDepth);
    const ofRegion = counted.filter((other) => {
      const row = tables.sites.get(other.id)?.row;
      return row?.hollow === own.hollow && regionPrefix(row.region, place.regionDepth) === prefix;
    });
    invariant(
      ofRegion.length <= place.regionInFlightMax,
      `${ofRegion.length} sites of ${prefix} are away, at most ${place.regionInFlightMax} may be`,
    );
  }

  private isSilent(site: SimSite): boolean {
    const { tables, now } = this.watched;
    return site.nodes.filter(isAway).every(({ id, rolloutId }) => {
      if (rolloutId === null) return false;
      const silenceMs = tables.rollouts.get(rolloutId)?.head.policy.gate.silenceMs ?? 0;
      const grant = tables.grants.get(grantKey(rolloutId, id));
      return grant !== undefined && now() - grant.grantedAt > silenceMs;
    });
  }

  /** Watches every commit of the store. */
  observe(store: LoopStore): LoopStore {
    const { tables, faults } = this.watched;
    return {
      ...store,
      decideGrants: async (batch, decide) => {
        const decisions = await store.decideGrants(batch, decide);
        const rows = decisions.flatMap((d) => (d.outcome === "granted" ? d.rows : []));
        for (const row of rows) {
          const head = tables.rollouts.get(row.rolloutId)?.head;
          invariant(
            head?.state.phase === "running",
            `${row.id} was given while ${head?.state.phase}`,
          );
          invariant(
            head.rolloutEpoch === row.rolloutEpoch,
            `${row.id} was given for epoch ${row.rolloutEpoch}`,
          );
          invariant(!tables.frozen, `${row.id} was given while frozen`);
          const key = grantKey(row.rolloutId, row.node);
          const known = this.grantIds.get(key) ?? row.id;
          invariant(known === row.id, `${row.node} has two grants in ${row.rolloutId}`);
          this.grantIds.set(key, row.id);
          if (row.renewal) faults.note("grant-renewed");
        }
        return decisions;
      },
      saveRolloutStep: async (write) => {
        await store.saveRolloutStep(write);
        const before = this.epochs.get(write.id) ?? 1;
        invariant(
          write.rolloutEpoch >= before,
          `epoch of ${write.id} fell to ${write.rolloutEpoch}`,
        );
        this.epochs.set(write.id, write.rolloutEpoch);
        if (write.state.phase === "halted" && write.rolloutEpoch > before) faults.note("halted");
      },
      createRollouts: async (request) => {
        const written = await store.createRollouts(request);
        if (written && request.rows.some((row) => row.head.rollsBack)) faults.note("rolled-back");
        return written;
      },
    };
  }

  /** Watches what sites are told is stored. */
  observeAcks(acks: AckPublisher): AckPublisher {
    return {
      publishAck: async (site, ack) => {
        const stored = this.watched.tables.reports.get(outboxKey(site, ack.outboxId));
        for (let seq = 1; seq <= ack.upToSeq; seq += 1) {
          invariant(stored?.reports.has(seq), `${site} was told ${seq} is stored and it is not`);
        }
        await acks.publishAck(site, ack);
      },
    };
  }

  /** Checked over and over: generations only rise, at the centre and at the sites. */
  checkGenerations(): void {
    for (const [id, site] of this.watched.tables.sites) {
      const generation = site.desired?.generation ?? 0;
      invariant(generation >= (this.generations.get(id) ?? 0), `generation of ${id} fell`);
      this.generations.set(id, generation);
    }
    for (const site of this.watched.sites()) {
      const stored = this.generations.get(site.id) ?? 0;
      invariant(site.generation >= (this.applied.get(site.id) ?? 0), `${site.id} went back`);
      invariant(site.generation <= stored, `${site.id} applied what was never stored`);
      this.applied.set(site.id, site.generation);
    }
  }
}
