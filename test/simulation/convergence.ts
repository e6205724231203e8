// What is still open once faults have stopped. Empty means: everything that was said is stored,
// everything that was decided is applied, no grant hangs and no rollout is stuck half way.
import type { RolloutRecord, Tables } from "@drover/server/store/in-memory/tables";
import type { RolloutId } from "@drover/shared/ids";
import { isAway } from "./sim-node.ts";
import type { SimSite } from "./sim-site.ts";

export function unfinished(tables: Tables, sites: readonly SimSite[]): readonly string[] {
  return [
    ...sites.flatMap((site) => openAtSite(tables, site)),
    ...[...tables.grants.values()]
      .filter((grant) => grant.outcome === null)
      .map((grant) => `grant ${grant.id} of ${grant.node} is open`),
    ...[...tables.rollouts.values()].flatMap((rollout) => openInRollout(tables, rollout)),
  ];
}

function openAtSite(tables: Tables, site: SimSite): string[] {
  const open: string[] = [];
  const record = tables.sites.get(site.id);
  const stored = record?.desired?.generation;
  if (site.outbox.length > 0) open.push(`${site.id} keeps ${site.outbox.length} reports`);
  if (site.generation !== stored) open.push(`${site.id} is at ${site.generation} of ${stored}`);
  if (record?.dirtySince !== null) open.push(`${site.id} is still marked`);
  for (const node of site.nodes) {
    if (isAway(node)) open.push(`${node.id} is in ${node.phase}`);
    const known = tables.nodes.get(node.id)?.state?.slots.measuredImageId;
    if (known !== node.running) open.push(`${node.id} runs something the store does not know`);
  }
  return open;
}

function openInRollout(tables: Tables, { head, members }: RolloutRecord): string[] {
  const { phase } = head.state;
  if (phase === "finished" || waitsForData(tables, head.id)) return [];
  if (phase !== "halted") {
    const where = [...members].map(([id, member]) => `${id} ${member.state}`).join(", ");
    return [`rollout ${head.id} is ${JSON.stringify(head.state)}: ${where}`];
  }
  if (head.policy.onHalt !== "roll-back" || head.rollsBack !== null) return [];
  const isTakenBack = [...tables.rollouts.values()].some((r) => r.head.rollsBack === head.id);
  const isTouched = [...tables.grants.values()].some(
    (grant) => grant.rolloutId === head.id && grant.outcome !== "unused",
  );
  return isTakenBack || !isTouched ? [] : [`rollout ${head.id} is halted, nobody takes it back`];
}

/** A wave whose trials were all inconclusive has no data: it waits for a person, as it must. */
function waitsForData(tables: Tables, id: RolloutId): boolean {
  const rollout = tables.rollouts.get(id);
  if (rollout?.head.state.phase !== "running") return false;
  const { wave } = rollout.head.state;
  return [true, false].some((hollow) => {
    const states = [...rollout.members]
      .filter(
        ([site, m]) => m.member.wave === wave && tables.sites.get(site)?.row.hollow === hollow,
      )
      .map(([, m]) => m.state);
    return (
      states.includes("inconclusive") &&
      states.every((state) => ["inconclusive", "excluded", "skipped"].includes(state))
    );
  });
}
