// Taking sites back: new rollouts (own epochs) over the sites that left, one per release they came
// from. No soak and one wave, all place limits, judged like any other.
import type { EpochMs, NodeClass, RolloutId } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { NewRollout, RolloutFacts, RolloutHead, RolloutSite } from "./facts.ts";

/** `newId` gives one fresh rollout id per call. Rows start as running: no plan hash guards a way back. */
export function planRollBack(
  facts: RolloutFacts,
  { now, newId }: { now: EpochMs; newId: () => RolloutId },
): { readonly rows: readonly NewRollout[]; readonly because: readonly string[] } {
  const groups = new Map<string, { releases: Record<string, ReleaseRef>; sites: RolloutSite[] }>();
  const because: string[] = [];
  for (const site of facts.sites) {
    if (!hasLeft(site, facts.head)) continue;
    const releases = releasesBefore(site, facts.head);
    if (Object.keys(releases).length === 0) {
      because.push(`site ${site.site} had no release before: nothing to take it back to`);
      continue;
    }
    const key = Object.entries(releases)
      .map(([name, release]) => `${name}=${release.imageId}`)
      .sort()
      .join(" ");
    const group = groups.get(key) ?? { releases, sites: [] };
    group.sites.push(site);
    groups.set(key, group);
  }
  const rows = [...groups.values()].map(({ releases, sites }) => ({
    head: backHead(facts.head, { id: newId(), now, releases }),
    members: sites.map((site) => ({
      site: site.site,
      wave: 0,
      stratum: site.stratum,
      excluded: false,
      before: facts.head.releases,
    })),
  }));
  const sites = rows.reduce((sum, row) => sum + row.members.length, 0);
  return { rows, because: [`${sites} sites left and are taken back`, ...because] };
}

/** Some node was granted the change or runs it. */
function hasLeft(site: RolloutSite, head: RolloutHead): boolean {
  return site.nodes.some((node) => {
    const target = node.class === null ? undefined : head.releases[node.class];
    return (
      (node.grant !== null && node.grant.outcome !== "unused") ||
      (target !== undefined && node.running === target.imageId)
    );
  });
}

function releasesBefore(site: RolloutSite, head: RolloutHead): Record<string, ReleaseRef> {
  const releases: Record<string, ReleaseRef> = {};
  for (const [name, release] of Object.entries(head.releases) as [NodeClass, ReleaseRef][]) {
    const before = site.before[name];
    if (before && before.imageId !== release.imageId) releases[name] = before;
  }
  return releases;
}

function backHead(
  head: RolloutHead,
  row: { id: RolloutId; now: EpochMs; releases: Record<string, ReleaseRef> },
): RolloutHead {
  return {
    id: row.id,
    name: `roll back of ${head.name}`.slice(0, 120),
    createdAt: row.now,
    policy: { ...head.policy, waves: [{ percent: 100 }], soakMs: 0, onHalt: "hold" },
    releases: row.releases,
    waveCount: 1,
    state: { phase: "running", wave: 0, step: "updating" },
    rolloutEpoch: 1,
    version: 1,
    accepted: { failed: 0, silent: 0 },
    rollsBack: head.id,
    rolledBack: false,
  };
}
