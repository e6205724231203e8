// The figures a node's update machine obeys: the site's policy from signed desired state, never beyond
// the ceilings of the trust file.
import { grantValidMs } from "@drover/shared/messages/grant";
import { defaultSitePolicy, type SitePolicy } from "@drover/shared/site/policy";
import type { TrustFile } from "@drover/shared/trust/trust-file";
import type { UpdatePolicy } from "../core/update/input.ts";

const checkEveryMsMax = 15_000;

/** `policy` is undefined until desired state has been accepted. */
export function updatePolicyOf(policy: SitePolicy | undefined, trustFile: TrustFile): UpdatePolicy {
  const { provingMs, trialDeadlineMs, trialBootsMax } = policy ?? defaultSitePolicy;
  return {
    provingMs,
    trialDeadlineMs,
    trialBootsMax,
    rebootsPerDayMax: trustFile.ceilings.rebootsPerDayMax,
    grantValidMs,
    checkEveryMs: Math.min(checkEveryMsMax, Math.max(1_000, Math.round(provingMs / 4))),
    retryInconclusiveMs: 900_000,
    attemptsMax: 3,
  };
}
