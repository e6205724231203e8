// The figures a node's update machine obeys: the site's policy, tightened by the ceilings of its trust
// file and bounded by what a grant may ever be worth.
import { grantValidMs } from "@drover/shared/messages/grant";
import type { SitePolicy } from "@drover/shared/site/policy";
import type { Ceilings } from "@drover/shared/trust/trust-file";
import type { UpdatePolicy } from "./input.ts";

export function updatePolicyFor(policy: SitePolicy, ceilings: Ceilings): UpdatePolicy {
  const { provingMs, trialDeadlineMs, trialBootsMax } = policy;
  return {
    provingMs,
    trialDeadlineMs,
    trialBootsMax,
    rebootsPerDayMax: ceilings.rebootsPerDayMax,
    grantValidMs,
    // Short proving times (tests, the lab) still see several checks.
    checkEveryMs: Math.min(10_000, Math.max(1_000, Math.floor(provingMs / 5))),
    retryInconclusiveMs: 3_600_000,
    attemptsMax: 3,
  };
}
