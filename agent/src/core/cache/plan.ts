// What a site cache should hold: everything desired state may need at once, then the newest others so
// that a roll back needs no WAN. Pure, so that the same inputs always evict the same image.
import type { ImageId } from "@drover/shared/ids";
import type { DesiredDocument } from "@drover/shared/messages/desired";
import type { ReleaseRef } from "@drover/shared/release/release";

/** An image in the cache, whole or under way. */
export interface CachedImage {
  readonly imageId: ImageId;
  readonly isWhole: boolean;
  /** Last time desired state named it, epoch ms. */
  readonly wantedAt: number;
}

export interface CachePlan {
  /** In the order to fetch: what the site runs comes before what it moves to. */
  readonly fetch: readonly ReleaseRef[];
  readonly evict: readonly ImageId[];
  readonly because: readonly string[];
}

/** `usable` says whether an accepted channel signs the release; nothing else is ever fetched. */
export function planCache(
  desired: DesiredDocument,
  cached: readonly CachedImage[],
  usable: (release: ReleaseRef) => boolean,
): CachePlan {
  const wanted = wantedReleases(desired);
  const because = wanted
    .filter((release) => !usable(release))
    .map(({ name, semver }) => `${name}@${semver} is not signed for this site and is not fetched`);
  const whole = new Set(cached.filter(({ isWhole }) => isWhole).map(({ imageId }) => imageId));
  const wantedIds = new Set(wanted.map(({ imageId }) => imageId));
  const others = cached
    .filter(({ imageId }) => !wantedIds.has(imageId))
    .sort(
      (left, right) => right.wantedAt - left.wantedAt || (left.imageId < right.imageId ? -1 : 1),
    );
  const kept = others.filter(({ isWhole }) => isWhole).slice(0, desired.policy.keepReleases);
  return {
    fetch: wanted.filter((release) => usable(release) && !whole.has(release.imageId)),
    evict: others.filter((image) => !kept.includes(image)).map(({ imageId }) => imageId),
    because,
  };
}

function wantedReleases(desired: DesiredDocument): ReleaseRef[] {
  const classes = Object.values(desired.classes);
  const all = [
    ...classes.map(({ committed }) => committed),
    ...classes.map(({ assigned }) => assigned?.release ?? null),
  ].filter((release) => release !== null);
  return all.filter(
    (release, position) => all.findIndex((other) => other.imageId === release.imageId) === position,
  );
}
