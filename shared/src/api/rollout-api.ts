// Endpoints for rollouts: draft and plan, start, the stop words, why.
import { z } from "@hono/zod-openapi";
import { EpochMs, NodeClass, RolloutId, Sha256, SiteId } from "../ids.ts";
import { ReleaseRef } from "../release/release.ts";
import { RolloutPolicy, RolloutRequest, Selection } from "../rollout/policy.ts";
import { RolloutState, SiteInRollout, Tally } from "../rollout/state.ts";
import { WhyView } from "./fleet-api.ts";
import { endpoint } from "./route.ts";

/** The dry run: who would be in which wave. `hash` covers everything a start relies on. */
export const PlanView = z.object({
  hash: Sha256,
  waves: z.array(
    z.object({ sites: z.array(SiteId), strata: z.record(z.string(), z.number().int()) }),
  ),
  excluded: z.array(z.object({ site: SiteId, because: z.array(z.string()) })),
  /** WAN bytes in total, by exact plan. */
  wanBytes: z.number().int(),
  because: z.array(z.string()),
});
export type PlanView = z.infer<typeof PlanView>;

export const WaveView = z.object({ wave: z.number().int(), sites: z.number().int(), tally: Tally });

export const RolloutView = z.object({
  id: RolloutId,
  name: z.string(),
  releases: z.record(NodeClass, ReleaseRef),
  policy: RolloutPolicy,
  selection: Selection,
  state: RolloutState,
  rolloutEpoch: z.number().int(),
  planHash: Sha256,
  waves: z.array(WaveView),
  grants: z.number().int(),
  createdAt: EpochMs,
  createdBy: z.string(),
  /** The rollout this one takes back, when it is a roll back. */
  rollsBack: RolloutId.nullable(),
  because: z.array(z.string()),
});
export type RolloutView = z.infer<typeof RolloutView>;

const params = z.object({ rollout: RolloutId });
const reason = z.strictObject({ reason: z.string().min(1).max(500) });

export const rolloutApi = {
  listRollouts: endpoint({
    method: "get",
    path: "/api/v1/rollouts",
    summary: "rollouts, newest first",
    caller: "person",
    result: z.object({ items: z.array(RolloutView) }),
  }),
  createRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts",
    summary: "draft a rollout and plan it; no site changes",
    caller: "person",
    body: RolloutRequest,
    result: z.object({ rollout: RolloutView, plan: PlanView }),
  }),
  getRollout: endpoint({
    method: "get",
    path: "/api/v1/rollouts/{rollout}",
    summary: "one rollout",
    caller: "person",
    params,
    result: RolloutView,
  }),
  planRollout: endpoint({
    method: "get",
    path: "/api/v1/rollouts/{rollout}/plan",
    summary: "the plan of a rollout",
    caller: "person",
    params,
    result: PlanView,
  }),
  rolloutSites: endpoint({
    method: "get",
    path: "/api/v1/rollouts/{rollout}/sites",
    summary: "sites of a rollout",
    caller: "person",
    params,
    query: z.object({ wave: z.coerce.number().int().min(0).optional() }),
    result: z.object({
      items: z.array(
        z.object({
          site: SiteId,
          wave: z.number().int(),
          state: SiteInRollout,
          because: z.array(z.string()),
          since: EpochMs,
        }),
      ),
    }),
  }),
  startRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts/{rollout}/start",
    summary: "start a planned rollout; refuses when the fleet drifted from the plan",
    caller: "person",
    params,
    body: z.strictObject({ plan: Sha256 }),
    result: RolloutView,
  }),
  pauseRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts/{rollout}/pause",
    summary: "stop giving grants for now",
    caller: "person",
    params,
    body: reason,
    result: RolloutView,
  }),
  resumeRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts/{rollout}/resume",
    summary: "give grants again after a pause",
    caller: "person",
    params,
    body: reason,
    result: RolloutView,
  }),
  haltRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts/{rollout}/halt",
    summary: "stop; no further node starts",
    caller: "person",
    params,
    body: reason,
    result: RolloutView,
  }),
  unhaltRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts/{rollout}/un-halt",
    summary: "let a halted rollout run again",
    caller: "person",
    params,
    body: reason,
    result: RolloutView,
  }),
  cancelRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts/{rollout}/cancel",
    summary: "end a rollout for good",
    caller: "person",
    params,
    body: reason,
    result: RolloutView,
  }),
  rollBackRollout: endpoint({
    method: "post",
    path: "/api/v1/rollouts/{rollout}/roll-back",
    summary: "start a new rollout that takes sites back to the release before",
    caller: "person",
    params,
    body: reason,
    result: RolloutView,
  }),
  haltAll: endpoint({
    method: "post",
    path: "/api/v1/halt-all",
    summary: "halt every running rollout",
    caller: "person",
    body: reason,
    result: z.object({ halted: z.array(RolloutId) }),
  }),
  whyRollout: endpoint({
    method: "get",
    path: "/api/v1/rollouts/{rollout}/why",
    summary: "why the rollout stands where it does",
    caller: "person",
    params,
    result: WhyView,
  }),
} as const;
