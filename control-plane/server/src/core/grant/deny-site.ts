// Reasons to refuse a whole request before any node is looked at: fleet, rollout, wave, site, window.
// Order is from the widest to the narrowest, so that the reason given is the one to act on.
import type { RolloutHead } from "../rollout/facts.ts";
import type { GrantDecision, GrantFacts, GrantSite, PendingGrantRequest } from "./facts.ts";
import { isWindowOpen, type LocalTime } from "./window.ts";

interface Asked {
  readonly pending: PendingGrantRequest;
  readonly site: GrantSite | undefined;
  readonly head: RolloutHead | undefined;
}

interface Reason {
  readonly text: string;
  readonly retryAfterMs: number;
}

const minute = 60_000;
const notNow = (text: string): Reason => ({ text, retryAfterMs: minute });
const never = (text: string): Reason => ({ text, retryAfterMs: 5 * minute });

/** The denial, or undefined when the request may be looked at node by node. */
export function denySite(
  facts: GrantFacts,
  asked: Asked,
  time: { readonly localTime: (timeZone: string) => LocalTime | null },
): GrantDecision | undefined {
  const reason =
    fleetReason(facts, asked) ??
    rolloutReason(asked) ??
    memberReason(asked) ??
    windowReason(asked, time);
  if (reason === undefined) return undefined;
  const { text, retryAfterMs } = reason;
  return { key: asked.pending.key, outcome: "denied", retryAfterMs, because: [text] };
}

function fleetReason(facts: GrantFacts, { pending, site }: Asked): Reason | undefined {
  if (facts.frozen) return notNow("the fleet is frozen");
  if (site === undefined) return never("the site is not known");
  if (site.status !== "active") return never(`the site is ${site.status}`);
  if (site.ahead) return notNow("the site is ahead of the database: a person must look first");
  if (facts.withdrawn.includes(pending.request.imageId)) return never("the release is withdrawn");
  return undefined;
}

function rolloutReason({ pending, head }: Asked): Reason | undefined {
  const { request } = pending;
  if (head === undefined) return never("the rollout is not known");
  if (head.state.phase !== "running") return notNow(`the rollout is ${head.state.phase}`);
  if (request.rolloutEpoch !== head.rolloutEpoch) {
    return notNow(
      `the rollout is at epoch ${head.rolloutEpoch}, the site asked for ${request.rolloutEpoch}`,
    );
  }
  if (head.releases[request.class]?.imageId !== request.imageId) {
    return never(`the rollout does not bring that image to class ${request.class}`);
  }
  return undefined;
}

function memberReason({ site, head }: Asked): Reason | undefined {
  const member = site?.memberships.find((m) => m.rolloutId === head?.id);
  if (member === undefined) return never("the site is not part of the rollout");
  if (member.excluded) return never("a person left the site out of the rollout");
  const open = head?.state.phase === "running" ? head.state.wave : -1;
  if (member.wave > open) return notNow(`wave ${member.wave + 1} is not open yet`);
  if (member.state === "waiting") return notNow("the site's desired state is not written yet");
  return undefined;
}

function windowReason(
  { site, head }: Asked,
  time: { readonly localTime: (timeZone: string) => LocalTime | null },
): Reason | undefined {
  // A way back to what the site has proved already need not wait for a window.
  if (site === undefined || (head?.rollsBack ?? null) !== null) return undefined;
  if (site.policy.windows.length === 0) return undefined;
  const local = time.localTime(site.timeZone);
  if (local === null) return never(`time zone ${site.timeZone} is not known, so no window is open`);
  if (isWindowOpen(site.policy.windows, local)) return undefined;
  return notNow(`no window is open at the site (${site.timeZone})`);
}
