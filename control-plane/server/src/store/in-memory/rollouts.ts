// Rollouts of the in-memory store: facts in one reading, a step applied wholly or not at all.
import type { NodeClass, RolloutId } from "@drover/shared/ids";
import type {
  NodeInRollout,
  RolloutFacts,
  RolloutHead,
  RolloutSite,
} from "../../core/rollout/facts.ts";
import { UnknownSubjectError, VersionConflictError } from "../../loops/errors.ts";
import type { RolloutStore, RolloutWrite } from "../../loops/ports.ts";
import { checkFence } from "./fences.ts";
import {
  grantKey,
  type MemberRecord,
  markDirty,
  type NodeRecord,
  nodesOfSite,
  type RolloutRecord,
  type SiteRecord,
  type Tables,
} from "./tables.ts";

export function rolloutStore(tables: Tables): RolloutStore {
  return {
    createRollouts: async ({ fence, rows, events }) => {
      checkFence(tables, fence);
      const taken = rows.some(({ head }) => head.rollsBack && isRolledBack(tables, head.rollsBack));
      if (taken) return false;
      for (const { head, members } of rows) {
        const states = members.map((member): [typeof member.site, MemberRecord] => [
          member.site,
          { member, state: "waiting", since: head.createdAt, because: ["planned"] },
        ]);
        tables.rollouts.set(head.id, { head, members: new Map(states) });
      }
      tables.events.push(...events);
      return true;
    },
    activeRollouts: async () =>
      [...tables.rollouts.values()]
        .filter((record) => isActive(tables, record.head))
        .map((record) => record.head.id),
    rolloutHead: async (id) => {
      const record = tables.rollouts.get(id);
      return record === undefined ? null : headOf(tables, record);
    },
    rolloutFacts: async (id) => {
      const record = tables.rollouts.get(id);
      return record === undefined ? null : factsOf(tables, record);
    },
    saveRolloutStep: async (write) => saveStep(tables, write),
  };
}

export function headOf(tables: Tables, { head }: RolloutRecord): RolloutHead {
  return { ...head, rolledBack: isRolledBack(tables, head.id) };
}

function isRolledBack(tables: Tables, id: RolloutId): boolean {
  return [...tables.rollouts.values()].some(
    ({ head }) => head.rollsBack === id && head.state.phase !== "cancelled",
  );
}

function isActive(tables: Tables, head: RolloutHead): boolean {
  const { phase } = head.state;
  if (phase === "scheduled" || phase === "running" || phase === "paused" || phase === "halted") {
    return true;
  }
  return [...tables.grants.values()].some((g) => g.rolloutId === head.id && g.outcome === null);
}

function factsOf(tables: Tables, record: RolloutRecord): RolloutFacts {
  const sites: RolloutSite[] = [];
  for (const [id, member] of record.members) {
    const site = tables.sites.get(id);
    if (site !== undefined) sites.push(siteFacts(tables, record, member, site));
  }
  return { head: headOf(tables, record), sites };
}

function siteFacts(
  tables: Tables,
  { head }: RolloutRecord,
  { member, state, since }: MemberRecord,
  site: SiteRecord,
): RolloutSite {
  const classes = Object.keys(head.releases) as NodeClass[];
  const content = site.desired?.content;
  return {
    site: site.row.id,
    wave: member.wave,
    state,
    since,
    status: site.row.status,
    hollow: site.row.hollow,
    stratum: member.stratum,
    heardAt: site.heardAt,
    beatMs: site.row.policy.beatMs,
    excluded: member.excluded,
    before: member.before,
    committed: Object.fromEntries(
      classes.map((c) => [c, site.committed.get(c) ?? tables.classes.get(c)?.release ?? null]),
    ),
    document:
      site.desired === null
        ? null
        : {
            generation: site.desired.generation,
            assigned: Object.fromEntries(
              classes.map((c) => [c, content?.classes[c]?.assigned ?? null]),
            ),
          },
    nodes: nodesOfSite(tables, site.row.id).map((node) => nodeFacts(tables, head.id, node)),
  };
}

function nodeFacts(tables: Tables, rollout: RolloutId, node: NodeRecord): NodeInRollout {
  const { row, state } = node;
  const grant = tables.grants.get(grantKey(rollout, row.id));
  return {
    id: row.id,
    class: row.class,
    hold: row.hold,
    phase: state?.update.phase ?? null,
    movingTo: state?.update.imageId ?? null,
    movingFor: state?.update.rolloutId ?? null,
    running: state?.slots.measuredImageId ?? null,
    refuses: state?.refusals.map((refusal) => refusal.imageId) ?? [],
    reportedAt: node.reportedAt,
    reportGeneration: node.reportGeneration,
    grant:
      grant === undefined
        ? null
        : {
            id: grant.id,
            grantedAt: grant.grantedAt,
            rolloutEpoch: grant.rolloutEpoch,
            outcome: grant.outcome,
          },
  };
}

function saveStep(tables: Tables, write: RolloutWrite): void {
  checkFence(tables, write.fence);
  const record = tables.rollouts.get(write.id);
  if (record === undefined) throw new UnknownSubjectError(`rollout ${write.id}`);
  if (record.head.version !== write.expectedVersion) {
    throw new VersionConflictError(
      `rollout ${write.id}`,
      write.expectedVersion,
      record.head.version,
    );
  }
  const { state, rolloutEpoch, accepted } = write;
  record.head = { ...record.head, state, rolloutEpoch, accepted, version: record.head.version + 1 };
  moveMembers(record, write);
  for (const { node, grantedAt, outcome } of write.settled) {
    const grant = tables.grants.get(grantKey(write.id, node));
    if (grant?.outcome === null && grant.grantedAt === grantedAt) grant.outcome = outcome;
  }
  for (const { site, class: nodeClass, release } of write.siteReleases) {
    tables.sites.get(site)?.committed.set(nodeClass, release);
  }
  const dirty = write.dirtySites === "members" ? [...record.members.keys()] : write.dirtySites;
  for (const id of dirty) {
    const site = tables.sites.get(id);
    if (site !== undefined) markDirty(tables, site);
  }
  tables.events.push(...write.events);
}

function moveMembers(record: RolloutRecord, write: RolloutWrite): void {
  for (const change of write.sites) {
    const member = record.members.get(change.site);
    if (member === undefined) continue;
    if (member.state !== change.state) member.since = write.now;
    member.state = change.state;
    member.because = change.because;
  }
}
