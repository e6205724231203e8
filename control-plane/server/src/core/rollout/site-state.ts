// Where a site stands in a rollout, derived afresh from its nodes each time: level-triggered, so a lost
// or repeated report changes nothing. Once a site has a state worth evidence it never falls out of it silently.
import type { EpochMs, NodeClass } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { SiteInRollout } from "@drover/shared/rollout/state";
import type { GrantOutcome, NodeInRollout, RolloutHead, RolloutSite } from "./facts.ts";
import { type NodeStanding, nodeStanding, settledOutcome } from "./node-standing.ts";

export interface DerivedSite {
  readonly state: SiteInRollout;
  readonly because: readonly string[];
  readonly settled: readonly {
    readonly node: NodeInRollout["id"];
    readonly grantedAt: EpochMs;
    readonly outcome: GrantOutcome;
  }[];
  /** Classes whose nodes all run the new release now, while the site's own record says otherwise. */
  readonly releases: readonly { readonly class: NodeClass; readonly release: ReleaseRef }[];
}

/** The highest wave that is open; -1 before the first. Ended and halted rollouts keep what was open. */
export function openWave(head: RolloutHead): number {
  switch (head.state.phase) {
    case "running":
    case "paused":
    case "halted":
      return head.state.wave;
    case "finished":
      return head.waveCount - 1;
    default:
      return -1;
  }
}

export function deriveSite(head: RolloutHead, site: RolloutSite, now: EpochMs): DerivedSite {
  const context = {
    rolloutId: head.id,
    silenceMs: head.policy.gate.silenceMs,
    now,
  };
  const standings = site.nodes.map((node) => {
    const target = node.class === null ? undefined : head.releases[node.class]?.imageId;
    return { node, standing: nodeStanding(node, target, context) };
  });
  const settled = standings.flatMap(({ node, standing }) => {
    const outcome = settledOutcome(node, site, standing, context);
    if (outcome === null || node.grant === null) return [];
    return [{ node: node.id, grantedAt: node.grant.grantedAt, outcome }];
  });
  const unused = new Set(settled.filter((s) => s.outcome === "unused").map((s) => s.node));
  const counted = standings.map(({ node, standing }) => ({
    node,
    standing: unused.has(node.id) ? ("pending" as const) : standing,
  }));
  return { ...siteState(head, site, counted), settled, releases: newReleases(head, site, counted) };
}

type Counted = readonly { readonly node: NodeInRollout; readonly standing: NodeStanding }[];

function siteState(
  head: RolloutHead,
  site: RolloutSite,
  nodes: Counted,
): { state: SiteInRollout; because: readonly string[] } {
  const concerned = nodes.filter((n) => n.standing !== "not-concerned");
  const of = (standing: NodeStanding) => concerned.filter((n) => n.standing === standing);
  const say = (state: SiteInRollout, ...because: string[]) => ({ state, because });
  const first = (standing: NodeStanding) => of(standing)[0]?.node.id ?? "";
  const touched = concerned.some((n) => n.node.grant !== null);
  if (site.excluded && !touched) return say("excluded", "a person left the site out");
  if (of("fallen-back").length > 0) {
    return say("fallen-back", `node ${first("fallen-back")} fell back by itself`);
  }
  if (of("silent").length > 0) {
    const node = first("silent");
    return say("silent", `node ${node} was granted the change and has not committed in time`);
  }
  for (const standing of ["trial", "proving", "granted"] as const) {
    if (of(standing).length > 0) return say(standing, `node ${first(standing)} is ${standing}`);
  }
  if (of("inconclusive").length > 0) {
    return say(
      "inconclusive",
      `node ${first("inconclusive")} could not prove itself: its site was silent`,
    );
  }
  return restingState(head, site, { concerned, touched });
}

/** No node is under way and none failed. */
function restingState(
  head: RolloutHead,
  site: RolloutSite,
  { concerned, touched }: { concerned: Counted; touched: boolean },
): { state: SiteInRollout; because: readonly string[] } {
  const count = (standing: NodeStanding) => concerned.filter((n) => n.standing === standing).length;
  const stuck = count("held") + count("refusing");
  const committed = count("committed");
  if (site.status !== "active" && !touched) {
    return { state: "skipped", because: [`the site is ${site.status}`] };
  }
  if (concerned.length === 0) {
    return { state: "skipped", because: ["the site has no node of the classes that change"] };
  }
  if (count("pending") === 0 && committed > 0) {
    const left = stuck > 0 ? [`${stuck} nodes are held or refuse the image`] : [];
    return touched
      ? { state: "committed", because: [`${committed} nodes run the release`, ...left] }
      : { state: "skipped", because: ["every node ran the release before any grant", ...left] };
  }
  if (count("pending") === 0) {
    return { state: "excluded", because: [`all ${stuck} nodes are held or refuse the image`] };
  }
  if (site.wave > openWave(head)) {
    return { state: "waiting", because: [`wave ${site.wave + 1} is not open yet`] };
  }
  return {
    state: "ready",
    because: [`${committed} of ${concerned.length} nodes run the release`],
  };
}

/** A site takes a release as its own when every node of the class that may change runs it now. */
function newReleases(
  head: RolloutHead,
  site: RolloutSite,
  nodes: Counted,
): DerivedSite["releases"] {
  if (openWave(head) < site.wave || head.state.phase === "finished") return [];
  const releases: { class: NodeClass; release: ReleaseRef }[] = [];
  for (const [nodeClass, release] of Object.entries(head.releases) as [NodeClass, ReleaseRef][]) {
    if (site.committed[nodeClass]?.imageId === release.imageId) continue;
    const ofClass = nodes.filter((n) => n.node.class === nodeClass);
    const done = ofClass.filter(
      (n) => n.standing === "committed" && n.node.running === release.imageId,
    ).length;
    const stuck = ofClass.filter((n) => n.standing === "held" || n.standing === "refusing").length;
    if (done > 0 && done + stuck === ofClass.length) releases.push({ class: nodeClass, release });
  }
  return releases;
}
