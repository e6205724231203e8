// Answers to "why": where a site, node or rollout stands, from stored reasons and present facts. The headline
// is put together by pure functions.
import { fleetApi, type NodeView, type SiteView, type WhyView } from "@drover/shared/api/fleet-api";
import { type RolloutView, rolloutApi } from "@drover/shared/api/rollout-api";
import type { NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import { releaseLabel } from "@drover/shared/release/release";
import { notFound } from "./problem.ts";
import type { Server } from "./serve.ts";

interface Event {
  readonly at: number;
  readonly what: string;
  readonly because: readonly string[];
}

export interface Timeline {
  ofSite(site: SiteId, limit: number): Promise<Event[]>;
  ofNode(node: NodeId, limit: number): Promise<Event[]>;
  ofRollout(rollout: RolloutId, limit: number): Promise<Event[]>;
  desiredBecause(site: SiteId): Promise<readonly string[]>;
  siteBecause(site: SiteId): Promise<readonly string[]>;
  memberships(
    site: SiteId,
  ): Promise<{ rollout: string; phase: string; state: string; because: string[] }[]>;
}

export interface WhyOptions {
  readonly timeline: Timeline;
  site(site: SiteId): Promise<SiteView | undefined>;
  node(node: NodeId): Promise<NodeView | undefined>;
  rollout(
    rollout: RolloutId,
  ): Promise<Pick<RolloutView, "id" | "name" | "state" | "because"> | undefined>;
}

const eventsMax = 100;

export function serveWhy(server: Server, options: WhyOptions): void {
  const { timeline } = options;
  server.person(fleetApi.whySite, "read", async ({ params }) => {
    const site = await options.site(params.site);
    if (!site) throw notFound(`the site ${params.site}`);
    const memberships = await timeline.memberships(site.id);
    const because = [
      ...siteReasons(site, memberships),
      ...(await timeline.siteBecause(site.id)).map(siteSays),
      ...(await timeline.desiredBecause(site.id)),
    ];
    const events = await timeline.ofSite(site.id, eventsMax);
    return answer(`site ${site.name} (${site.id})`, siteHeadline(site), because, events);
  });
  server.person(fleetApi.whyNode, "read", async ({ params }) => {
    const node = await options.node(params.node);
    if (!node) throw notFound(`the node ${params.node}`);
    const memberships = await timeline.memberships(node.site);
    const because = [
      ...nodeReasons(node),
      ...memberships.map(membershipLine),
      ...(await timeline.siteBecause(node.site)).map(siteSays),
    ];
    const events = await timeline.ofNode(node.id, eventsMax);
    return answer(`node ${node.id}`, nodeHeadline(node), because, events);
  });
  server.person(rolloutApi.whyRollout, "read", async ({ params }) => {
    const rollout = await options.rollout(params.rollout);
    if (!rollout) throw notFound(`the rollout ${params.rollout}`);
    const events = await timeline.ofRollout(rollout.id, eventsMax);
    const subject = `rollout ${rollout.name} (${rollout.id})`;
    return answer(subject, rolloutHeadline(rollout), rolloutReasons(rollout), events);
  });
}

function answer(
  subject: string,
  headline: string,
  because: readonly string[],
  events: readonly Event[],
): WhyView {
  return {
    subject,
    headline,
    because: [...because],
    events: events.map((event) => ({ ...event, because: [...event.because] })),
  };
}

const siteSays = (reason: string): string => `the site says: ${reason}`;

type Membership = Awaited<ReturnType<Timeline["memberships"]>>[number];

const membershipLine = ({ rollout, phase, state, because }: Membership): string =>
  `${state} in rollout ${rollout} (${phase})${because.length > 0 ? `: ${because.join("; ")}` : ""}`;

export function siteHeadline(site: SiteView): string {
  if (site.status !== "active") return `the site is ${site.status}`;
  if (site.reachability === "never") return "the site was never heard from";
  if (site.appliedGeneration < site.generation)
    return `the site is ${site.reachability} and applied generation ${site.appliedGeneration} of ${site.generation}`;
  return `the site is ${site.reachability} and has applied its desired state (generation ${site.generation})`;
}

function siteReasons(site: SiteView, memberships: readonly Membership[]): string[] {
  const reasons = memberships.map(membershipLine);
  if (reasons.length === 0) reasons.push("no rollout that is under way has this site");
  if (site.nodes === 0) reasons.push("no node is registered at the site");
  return reasons;
}

export function nodeHeadline(node: NodeView): string {
  if (node.class === null) return "the node has no class yet: it boots in inventory mode only";
  if (node.update === null) return "the node has not reported yet";
  const image = node.slots?.measuredImageId?.slice(0, 12) ?? "nothing we know";
  const running = node.running ? releaseLabel(node.running) : image;
  const { phase, imageId } = node.update;
  if (phase === "steady") return `the node runs ${running} and is steady`;
  return `the node runs ${running} and is ${phase}${imageId ? ` with image ${imageId.slice(0, 12)}` : ""}`;
}

function nodeReasons(node: NodeView): string[] {
  const reasons = [...(node.update?.because ?? [])];
  if (node.hold) reasons.push("a person holds the node as it is");
  for (const { imageId, because } of node.refusals)
    reasons.push(
      `refuses image ${imageId.slice(0, 12)}: ${because.join("; ") || "it fell back from it"}`,
    );
  return reasons;
}

export function rolloutHeadline({ state }: Pick<RolloutView, "state">): string {
  switch (state.phase) {
    case "running":
      return `running: wave ${state.wave + 1} is ${state.step}`;
    case "paused":
    case "halted":
      return `${state.phase} in wave ${state.wave + 1} by ${state.by}`;
    case "cancelled":
    case "superseded":
      return `${state.phase} by ${state.by}`;
    default:
      return state.phase;
  }
}

function rolloutReasons(rollout: Pick<RolloutView, "state" | "because">): string[] {
  const { state } = rollout;
  return "because" in state ? [...state.because] : [...rollout.because];
}
