// Plans rollouts against the inventory: the same pure planner drafts and checks, so a start is refused when
// the fleet is no longer what the person saw.
import type { PlanView, RolloutView } from "@drover/shared/api/rollout-api";
import { FleetError } from "@drover/shared/errors";
import type { ImageId, NodeClass, RolloutId } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutRequest } from "@drover/shared/rollout/policy";
import { sha256Hex } from "@drover/shared/trust/digest";
import type { NewRollout } from "../core/rollout/facts.ts";
import {
  type Plan,
  type PlanRequest,
  type PlanSite,
  planContent,
  planRollout,
} from "../core/rollout/plan.ts";
import { notFound, RequestError } from "./problem.ts";

export class PlanDriftedError extends FleetError {
  readonly code = "plan-drifted";
}

export interface PlanDesk {
  inventory(): Promise<PlanSite[]>;
  limits(): Promise<{
    minimum: Record<NodeClass, number>;
    withdrawn: { imageId: ImageId; reason: string }[];
  }>;
  createDraft(draft: {
    row: NewRollout;
    selection: RolloutRequest["selection"];
    plan: PlanView;
    reason: string;
    by: string;
    because: readonly string[];
  }): Promise<void>;
}

export interface PlannerOptions {
  readonly desk: PlanDesk;
  findRelease(
    label: { name: string; semver: string },
    channel: string,
  ): Promise<ReleaseRef | undefined>;
  /** WAN bytes from one image to another; undefined when an index is missing. */
  wanBytes(from: ImageId | null, to: ImageId): Promise<number | undefined>;
  newRolloutId(): RolloutId;
  readonly now: () => number;
}

export interface RolloutPlanner {
  draft(request: RolloutRequest, by: string): Promise<{ id: RolloutId; plan: PlanView }>;
  /** Throws when `hash` is not the plan's, or the fleet has drifted from it. */
  check(
    rollout: Pick<RolloutView, "id" | "releases" | "selection" | "policy">,
    hash: string,
  ): Promise<void>;
}

export function rolloutPlanner(options: PlannerOptions): RolloutPlanner {
  return {
    async draft(request, by) {
      const id = options.newRolloutId();
      const releases = await checkReleases(options, request.changeSet.releases);
      const { selection, policy } = request;
      const made = await makePlan(options, { releases, selection, policy, salt: id });
      const plan = await viewOf(options, made);
      const because = [...made.plan.refusals, ...plan.because];
      const head: NewRollout["head"] = {
        id,
        name: request.name,
        createdAt: options.now(),
        policy,
        releases,
        waveCount: made.plan.waveCount,
        state: { phase: "draft" },
        rolloutEpoch: 1,
        version: 1,
        accepted: { failed: 0, silent: 0 },
        rollsBack: null,
        rolledBack: false,
      };
      const members = made.plan.members.map((member) => ({ ...member, excluded: false }));
      const row = { head, members };
      await options.desk.createDraft({ row, selection, plan, reason: request.reason, by, because });
      return { id, plan };
    },
    async check({ id, releases, selection, policy }, hash) {
      const made = await makePlan(options, { releases, selection, policy, salt: id });
      if (made.plan.refusals.length > 0)
        throw new RequestError(422, "plan-refused", made.plan.refusals.join("; "));
      if (made.hash === hash) return;
      throw new PlanDriftedError(
        "the fleet is not what it was when this plan was made: draft the rollout again",
      );
    },
  };
}

interface Made {
  readonly plan: Plan;
  readonly hash: PlanView["hash"];
  readonly request: PlanRequest;
  readonly sites: readonly PlanSite[];
}

async function makePlan(
  { desk }: PlannerOptions,
  request: Pick<PlanRequest, "releases" | "selection" | "policy" | "salt">,
): Promise<Made> {
  const sites = await desk.inventory();
  const whole: PlanRequest = { ...request, ...(await desk.limits()) };
  const plan = planRollout(sites, whole);
  return { plan, request: whole, sites, hash: sha256Hex(planContent(plan, whole)) };
}

/** A person names releases by hand; every part must be what the channel's metadata says. */
async function checkReleases(
  options: PlannerOptions,
  releases: Readonly<Record<NodeClass, ReleaseRef>>,
): Promise<Record<NodeClass, ReleaseRef>> {
  for (const release of Object.values(releases)) {
    const label = `${release.name}@${release.semver}`;
    const found = await options.findRelease(release, release.channel);
    if (!found) throw notFound(`the release ${label} on channel ${release.channel}`);
    if (found.imageId !== release.imageId || found.counter !== release.counter)
      throw new RequestError(
        422,
        "release-differs",
        `${label} is signed for another image or counter`,
      );
  }
  return { ...releases };
}

async function viewOf(options: PlannerOptions, made: Made): Promise<PlanView> {
  const waves = Array.from({ length: made.plan.waveCount }, (_, wave) => {
    const members = made.plan.members.filter((member) => member.wave === wave);
    const strata: Record<string, number> = {};
    for (const { stratum } of members) strata[stratum] = (strata[stratum] ?? 0) + 1;
    return { sites: members.map((member) => member.site), strata };
  });
  const { bytes, unknown } = await wanBytes(options, made);
  const because = [...made.plan.refusals, ...made.plan.because];
  if (unknown > 0) because.push(`WAN bytes of ${unknown} sites can't be told: an index is missing`);
  const excluded = made.plan.excluded.map(({ site, because: why }) => ({
    site,
    because: [...why],
  }));
  return { hash: made.hash, waves, excluded, wanBytes: bytes, because };
}

/** A site fetches each pair of images once, however many nodes need it. */
async function wanBytes(
  options: PlannerOptions,
  { plan, request, sites }: Made,
): Promise<{ bytes: number; unknown: number }> {
  const members = new Set(plan.members.map((member) => member.site));
  const fetches = new Map<string, number>();
  for (const pair of sites
    .filter((site) => members.has(site.site))
    .flatMap((site) => [...pairsOf(site, request)]))
    fetches.set(pair, (fetches.get(pair) ?? 0) + 1);
  let bytes = 0;
  let unknown = 0;
  for (const [pair, times] of fetches) {
    const [from = "", to = ""] = pair.split(" ");
    const needed = await options.wanBytes(from === "" ? null : (from as ImageId), to as ImageId);
    if (needed === undefined) unknown += times;
    else bytes += needed * times;
  }
  return { bytes, unknown };
}

function pairsOf(site: PlanSite, request: PlanRequest): Set<string> {
  const pairs = new Set<string>();
  for (const node of site.nodes) {
    const target = node.class === null ? undefined : request.releases[node.class];
    if (target && node.running !== target.imageId)
      pairs.add(`${node.running ?? ""} ${target.imageId}`);
  }
  return pairs;
}
