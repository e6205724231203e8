// Whether a site is heard from, from the time of its newest beat alone. Server time throughout: a
// site's own clock plays no part.
import type { EpochMs } from "@drover/shared/ids";

export type Reachability = "never" | "live" | "stale" | "lost";

/** Beats a site may miss before it is stale. */
export const staleAfterBeats = 3;
/** Silence after which a site is lost unless policy names another time: 15 minutes. */
export const lostAfterMsDefault = 900_000;

/** Half a beat of allowance keeps a jittered beat from flapping between live and stale. */
export function reachability(
  site: { readonly heardAt: EpochMs | null; readonly beatMs: number },
  now: EpochMs,
  lostAfterMs: number = lostAfterMsDefault,
): Reachability {
  if (site.heardAt === null) return "never";
  const silentMs = now - site.heardAt;
  const staleAfterMs = (staleAfterBeats + 0.5) * site.beatMs;
  if (silentMs > Math.max(lostAfterMs, staleAfterMs)) return "lost";
  return silentMs > staleAfterMs ? "stale" : "live";
}
