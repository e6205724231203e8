// The dry run of a rollout: who would get it in which wave, who is left out and why. The same inventory
// and request always give the same plan, so its hash tells whether the fleet drifted since.
import { canonicalJson, type Json } from "@drover/shared/canonical-json";
import type { ImageId, NodeClass, SiteId } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutPolicy, Selection, WaveSize } from "@drover/shared/rollout/policy";
import { isInRegion } from "@drover/shared/site/site";
import { type OrderedSite, orderSites } from "./order.ts";

export interface PlanNode {
  readonly class: NodeClass | null;
  readonly model: string;
  readonly running: ImageId | null;
  readonly hold: boolean;
  readonly refuses: readonly ImageId[];
}

export interface PlanSite {
  readonly site: SiteId;
  readonly status: "active" | "quarantined" | "decommissioned";
  readonly hollow: boolean;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly committed: Readonly<Record<NodeClass, ReleaseRef | null>>;
  readonly nodes: readonly PlanNode[];
}

export interface PlanRequest {
  readonly releases: Readonly<Record<NodeClass, ReleaseRef>>;
  readonly selection: Selection;
  readonly policy: RolloutPolicy;
  /** Usually the rollout's id. */
  readonly salt: string;
  /** Lowest counter a node of the class may run. */
  readonly minimum: Readonly<Record<NodeClass, number>>;
  readonly withdrawn: readonly { readonly imageId: ImageId; readonly reason: string }[];
}

export interface PlannedSite {
  readonly site: SiteId;
  readonly wave: number;
  readonly stratum: string;
  readonly before: Readonly<Record<NodeClass, ReleaseRef | null>>;
}

export interface Plan {
  readonly members: readonly PlannedSite[];
  readonly waveCount: number;
  readonly excluded: readonly { readonly site: SiteId; readonly because: readonly string[] }[];
  /** Reasons why the rollout may not start at all; empty when it may. */
  readonly refusals: readonly string[];
  readonly because: readonly string[];
}

export function planRollout(sites: readonly PlanSite[], request: PlanRequest): Plan {
  const excluded: { site: SiteId; because: string[] }[] = [];
  const members: (OrderedSite & { readonly from: PlanSite })[] = [];
  for (const site of sites.toSorted((a, b) => (a.site < b.site ? -1 : 1))) {
    if (!isSelected(site, request.selection)) continue;
    const because = reasonsToLeaveOut(site, request);
    if (because.length > 0) excluded.push({ site: site.site, because });
    else {
      const { site: id, hollow } = site;
      const model = modelsOf(site, request);
      members.push({ site: id, hollow, model, stratum: stratumOf(site, request), from: site });
    }
  }
  const ends = waveEnds(request.policy.waves, members.length);
  const ordered = orderSites(members, request.salt).map(({ site, stratum, from }, index) => ({
    site,
    stratum,
    wave: ends.findIndex((end) => index < end),
    before: Object.fromEntries(
      Object.keys(request.releases).map((name) => [
        name,
        from.committed[name as NodeClass] ?? null,
      ]),
    ),
  }));
  return {
    members: ordered,
    waveCount: ends.length,
    excluded,
    refusals: refusalsToStart(request, members.length),
    because: planReasons(ordered, ends, request.policy.waves.length),
  };
}

/** Everything a start relies on, as the bytes its hash is made of. */
export function planContent(plan: Plan, request: PlanRequest): string {
  const { releases, selection, policy, minimum, withdrawn } = request;
  // Percentages may be fractions, which canonical JSON has not: they go in as text.
  const waves = policy.waves.map((size) => JSON.stringify(size));
  return canonicalJson({
    releases,
    selection,
    policy: { ...policy, waves },
    minimum,
    withdrawn,
    members: plan.members,
    excluded: plan.excluded,
  } as unknown as Json);
}

export function isSelected(site: PlanSite, selection: Selection): boolean {
  const { sites, regions, labels, hollow } = selection;
  if (sites !== undefined && !sites.includes(site.site)) return false;
  if (regions !== undefined && !regions.some((prefix) => isInRegion(site.region, prefix))) {
    return false;
  }
  if (hollow !== undefined && site.hollow !== hollow) return false;
  return Object.entries(labels ?? {}).every(([key, value]) => site.labels[key] === value);
}

function reasonsToLeaveOut(site: PlanSite, { releases }: PlanRequest): string[] {
  if (site.status !== "active") return [`the site is ${site.status}`];
  const concerned = site.nodes.filter((node) => target(node, releases) !== undefined);
  if (concerned.length === 0) return ["no node of the classes that change"];
  const behind = concerned.filter((node) => node.running !== target(node, releases));
  if (behind.length === 0) return ["every node runs the release already"];
  const free = behind.filter((node) => {
    const image = target(node, releases);
    return !node.hold && (image === undefined || !node.refuses.includes(image));
  });
  return free.length > 0 ? [] : ["every node that would change is held or refuses the image"];
}

function target(node: PlanNode, releases: PlanRequest["releases"]): ImageId | undefined {
  return node.class === null ? undefined : releases[node.class]?.imageId;
}

/** Hardware models of the nodes that change. */
function modelsOf(site: PlanSite, { releases }: PlanRequest): string {
  const concerned = site.nodes.filter((node) => target(node, releases) !== undefined);
  return [...new Set(concerned.map((node) => node.model || "unknown"))].sort().join("+");
}

/** Hardware models, top of the region, and where the nodes come from; hollow sites are a stratum of their own. */
function stratumOf(site: PlanSite, request: PlanRequest): string {
  const { releases } = request;
  const concerned = site.nodes.filter((node) => target(node, releases) !== undefined);
  const from = [...new Set(concerned.map((node) => node.running?.slice(0, 12) ?? "none"))].sort();
  const kind = site.hollow ? "hollow" : "real";
  return [kind, modelsOf(site, request), site.region.split("/")[0] ?? "", from.join("+")].join(
    " / ",
  );
}

/** Index one past the last site of each wave. Sizes that leave sites over get one more wave. */
export function waveEnds(waves: readonly WaveSize[], siteCount: number): readonly number[] {
  const ends: number[] = [];
  let end = 0;
  for (const size of waves) {
    const wanted = "count" in size ? end + size.count : Math.ceil((size.percent / 100) * siteCount);
    const next = Math.min(siteCount, Math.max(wanted, end));
    if (next > end) ends.push(next);
    end = next;
  }
  if (end < siteCount) ends.push(siteCount);
  return ends;
}

function refusalsToStart(request: PlanRequest, memberCount: number): string[] {
  const refusals: string[] = [];
  const releases = Object.entries(request.releases) as [NodeClass, ReleaseRef][];
  if (releases.length === 0) refusals.push("the change set is empty");
  if (memberCount === 0) refusals.push("no site would change");
  for (const [nodeClass, release] of releases) {
    const label = `${release.name}@${release.semver}`;
    const minimum = request.minimum[nodeClass] ?? 0;
    if (release.counter < minimum) {
      refusals.push(
        `${label} has counter ${release.counter}, class ${nodeClass} demands ${minimum}`,
      );
    }
    const withdrawn = request.withdrawn.find((w) => w.imageId === release.imageId);
    if (withdrawn !== undefined) refusals.push(`${label} is withdrawn: ${withdrawn.reason}`);
  }
  return refusals;
}

function planReasons(
  members: readonly PlannedSite[],
  ends: readonly number[],
  wantedWaves: number,
): string[] {
  const because = [`${members.length} sites in ${ends.length} waves`];
  const strata = new Set(members.map((member) => member.stratum));
  const first = new Set(members.filter((m) => m.wave === 0).map((m) => m.stratum));
  if (first.size < strata.size) {
    because.push(
      `wave 1 holds ${first.size} of ${strata.size} strata: the others are tried later for the first time`,
    );
  }
  if (ends.length > wantedWaves) because.push("the sizes leave sites over: they form a last wave");
  return because;
}
