// What a site's desired document says: per class the committed release and, where a rollout opened
// the site's wave, the assigned one. The newest rollout that touches a class decides for it.
import { canonicalJson } from "@drover/shared/canonical-json";
import type { NodeClass } from "@drover/shared/ids";
import type { Assignment, ClassDesired } from "@drover/shared/messages/desired";
import { releaseLabel } from "@drover/shared/release/release";
import type { DesiredContent, SiteClass, SiteDesiredFacts, SiteRollout } from "./facts.ts";

export function desiredContent(facts: SiteDesiredFacts): {
  readonly content: DesiredContent;
  readonly because: readonly string[];
} {
  const because: string[] = [];
  const classes: Record<NodeClass, ClassDesired> = {};
  for (const siteClass of facts.classes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const assigned = assignmentOf(facts, siteClass, because);
    classes[siteClass.name] = {
      committed: siteClass.committed,
      assigned,
      minimum: siteClass.minimum,
      withdrawn: siteClass.withdrawn.map((w) => ({ ...w })),
      procedure: siteClass.procedure,
    };
  }
  const nodes = facts.nodes.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return {
    content: {
      v: 1,
      site: facts.site,
      status: facts.status,
      classes,
      nodes: nodes.map((node) => ({ ...node })),
      policy: facts.policy,
      metadata: facts.metadata,
    },
    because,
  };
}

function assignmentOf(
  facts: SiteDesiredFacts,
  siteClass: SiteClass,
  because: string[],
): Assignment | null {
  const { name } = siteClass;
  if (facts.status !== "active") {
    because.push(`class ${name}: the site is ${facts.status}, nothing is assigned`);
    return null;
  }
  const newestFirst = facts.rollouts
    .filter((rollout) => rollout.releases[name] !== undefined)
    .toSorted((a, b) => b.createdAt - a.createdAt || (a.rolloutId < b.rolloutId ? 1 : -1));
  for (const rollout of newestFirst) {
    const release = rollout.releases[name];
    const reason = reasonNotToAssign(rollout);
    if (release === undefined) continue;
    if (reason !== undefined) {
      because.push(`class ${name}: rollout ${rollout.rolloutId} ${reason}`);
      // What the newest one has settled here, an older one must not open again.
      if (isSettled(rollout)) return null;
      continue;
    }
    if (release.counter < siteClass.minimum) {
      because.push(`class ${name}: ${releaseLabel(release)} is below minimum ${siteClass.minimum}`);
      return null;
    }
    const withdrawn = siteClass.withdrawn.find((w) => w.imageId === release.imageId);
    if (withdrawn !== undefined) {
      because.push(`class ${name}: ${releaseLabel(release)} is withdrawn: ${withdrawn.reason}`);
      return null;
    }
    because.push(`class ${name}: ${releaseLabel(release)} by rollout ${rollout.rolloutId}`);
    return { release, rolloutId: rollout.rolloutId, rolloutEpoch: rollout.rolloutEpoch };
  }
  return null;
}

const isSettled = ({ siteState }: SiteRollout): boolean =>
  siteState === "committed" || siteState === "skipped";

/**
 * A running or paused rollout assigns wherever its wave is open. A stopped one keeps the assignment
 * only where some node was granted the change, so that half-changed sites stay as they are and
 * nobody else fetches a stopped release.
 */
function reasonNotToAssign(rollout: SiteRollout): string | undefined {
  const { phase, siteState } = rollout;
  if (isSettled(rollout)) return "has nothing left to do";
  if (siteState === "excluded") return "leaves the site out";
  if (phase === "running" || phase === "paused") {
    return siteState === "waiting" ? "has not opened the site's wave" : undefined;
  }
  if (phase === "halted") return rollout.touched ? undefined : "is halted";
  return `is ${phase}`;
}

/** True when two contents say the same, whatever the order of their members. */
export function sameContent(a: DesiredContent, b: DesiredContent): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
