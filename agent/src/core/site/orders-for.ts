// What verified desired state, release metadata and the trust file together ask of one node. An
// assignment must be signed for an accepted channel and be in date; a repair needs only the signature.
import type { NodeId } from "@drover/shared/ids";
import type { ClassDesired, DesiredDocument } from "@drover/shared/messages/desired";
import { type ReleaseRef, releaseLabel } from "@drover/shared/release/release";
import { findRelease, type TrustedReleases } from "@drover/shared/trust/release-metadata";
import type { TrustFile } from "@drover/shared/trust/trust-file";
import type { NodeOrders } from "../update/orders.ts";

/** Verified documents; nothing here is taken on anybody's word. */
export interface TrustedView {
  readonly desired: DesiredDocument;
  readonly releases: ReadonlyMap<string, TrustedReleases>;
  readonly trustFile: TrustFile;
}

/** Undefined when desired state does not know the node. */
export function ordersFor(node: NodeId, view: TrustedView, now: number): NodeOrders | undefined {
  const { desired } = view;
  const wanted = desired.nodes.find((each) => each.id === node);
  if (!wanted) return undefined;
  const own: ClassDesired | undefined = wanted.class ? desired.classes[wanted.class] : undefined;
  const because: string[] = [];
  const committed = own?.committed ? signed(own.committed, view, because) : null;
  const assigned = own?.assigned ? assignable(own.assigned, view, now, because) : null;
  if (!wanted.class) because.push("the node has no class yet");
  else if (!own) because.push(`nothing is desired for class ${wanted.class}`);
  return {
    node,
    class: wanted.class,
    generation: desired.generation,
    hold: wanted.hold || desired.status !== "active",
    committed,
    assigned,
    minimum: own ? minimumOf(own, view) : 0,
    withdrawn: own ? withdrawnOf(own, view).slice(0, 200) : [],
    refusalsCleared: wanted.refusalsCleared,
    because: because.slice(0, 20),
  };
}

/** The release when an accepted channel signs it; else null, with the reason. */
function signed(release: ReleaseRef, view: TrustedView, because: string[]): ReleaseRef | null {
  const refused = refusalOf(release, view);
  if (refused === undefined) return release;
  because.push(refused);
  return null;
}

function assignable(
  assigned: NonNullable<ClassDesired["assigned"]>,
  view: TrustedView,
  now: number,
  because: string[],
): NodeOrders["assigned"] {
  if (view.desired.expiresAt <= now) {
    because.push("desired state has expired: it starts no new change");
    return null;
  }
  const release = signed(assigned.release, view, because);
  if (!release) return null;
  const metadata = view.releases.get(release.channel);
  if (metadata && metadata.expiresAt <= now) {
    because.push(`the release metadata of ${release.channel} has expired: it starts no new change`);
    return null;
  }
  return assigned;
}

/** Why the site must not use this release at all, or undefined. */
export function refusalOf(release: ReleaseRef, view: TrustedView): string | undefined {
  const { channel } = release;
  if (!view.trustFile.acceptedChannels.includes(channel))
    return `${releaseLabel(release)} is on channel ${channel}, which this site does not accept`;
  const metadata = view.releases.get(channel);
  if (!metadata) return `no release metadata of channel ${channel} has been verified yet`;
  const result = findRelease(metadata, release);
  return "refused" in result ? result.refused : undefined;
}

/** Release names that desired state uses for the class. */
function entriesOf(own: ClassDesired, view: TrustedView) {
  const refs = [own.committed, own.assigned?.release ?? null].filter((ref) => ref !== null);
  return refs.flatMap((ref) => {
    if (!view.trustFile.acceptedChannels.includes(ref.channel)) return [];
    const entries = view.releases.get(ref.channel)?.releases ?? [];
    return entries.filter((entry) => entry.name === ref.name);
  });
}

function minimumOf(own: ClassDesired, view: TrustedView): number {
  return entriesOf(own, view).reduce(
    (highest, entry) => Math.max(highest, entry.custom.minimum),
    own.minimum,
  );
}

function withdrawnOf(own: ClassDesired, view: TrustedView): NodeOrders["withdrawn"] {
  const byMetadata = entriesOf(own, view).flatMap(({ imageId, custom }) =>
    custom.withdrawn === undefined ? [] : [{ imageId, reason: custom.withdrawn }],
  );
  return [...own.withdrawn, ...byMetadata];
}
