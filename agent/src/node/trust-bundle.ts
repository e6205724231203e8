// What a node learns from its site: every document is verified on the way in, and one that does not hold
// stops the whole bundle. The site itself is never believed.
import { ChannelName, type SiteId } from "@drover/shared/ids";
import { Procedure } from "@drover/shared/site/procedure";
import { type DsseEnvelope, openDocument, payloadTypes } from "@drover/shared/trust/dsse";
import { trustFirstRoot, trustNextRoot } from "@drover/shared/trust/release-metadata";
import type { NodeBundle } from "../node-api/contract.ts";
import { TrustKeeper, TrustRefusedError } from "../trust-keeper.ts";

/** Takes everything newer. Throws at the first document that does not hold; what came before stays. */
export function learnBundle(keeper: TrustKeeper, bundle: NodeBundle): void {
  const known = new Set(keeper.memory.roots);
  for (const root of bundle.roots) if (!known.has(root)) keeper.learnRoot(root);
  keeper.learnTrustFile(bundle.trustFile);
  for (const [name, text] of Object.entries(bundle.releases)) {
    const channel = ChannelName.parse(name);
    // A channel that this site does not accept is not even read.
    if (keeper.trustFile.acceptedChannels.includes(channel)) keeper.learnReleases(channel, text);
  }
  if (bundle.desired) keeper.learnDesired(bundle.desired);
}

/**
 * Trust of a node that has none: the first root is taken on the site's word, as the boot that brought
 * the installer here was. Without Secure Boot an attacker on the LAN wins at this moment, and only here.
 */
export function firstTrust(site: SiteId, bundle: NodeBundle): TrustKeeper {
  const keeper = new TrustKeeper(site, {
    v: 1,
    roots: bundle.roots,
    releases: {},
    trustFile: bundle.trustFile,
    desired: null,
    newestSignedAt: 0,
  });
  learnBundle(keeper, bundle);
  return keeper;
}

/** Opens a procedure that the fleet role of the trusted root signed. Throws when it did not. */
export function openProcedure(keeper: TrustKeeper, envelope: DsseEnvelope): Procedure {
  const [first = "", ...next] = keeper.memory.roots;
  const fleet = next.reduce(trustNextRoot, trustFirstRoot(first)).role("fleet");
  if (!fleet) throw new TrustRefusedError("root names no fleet role");
  return openDocument(envelope, {
    payloadType: payloadTypes.procedure,
    roles: [fleet],
    schema: Procedure,
  });
}
