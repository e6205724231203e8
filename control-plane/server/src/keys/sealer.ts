// Signs what the fleet role may sign: desired documents, grants, procedures and site configs.
import type { DesiredDocument } from "@drover/shared/messages/desired";
import type { GrantDocument } from "@drover/shared/messages/grant";
import type { Procedure } from "@drover/shared/site/procedure";
import type { SiteConfig } from "@drover/shared/site/site-config";
import { type DsseEnvelope, payloadTypes, sealDocument } from "@drover/shared/trust/dsse";
import type { Signer } from "@drover/shared/trust/keys";

export interface FleetSealer {
  desired(document: DesiredDocument): DsseEnvelope;
  grant(document: GrantDocument): DsseEnvelope;
  procedure(document: Procedure): DsseEnvelope;
  siteConfig(document: SiteConfig): DsseEnvelope;
}

/** A sealer that holds the fleet key in this process. */
export function fleetSealer(fleet: Signer): FleetSealer {
  const signers = [fleet];
  return {
    desired: (document) => sealDocument(payloadTypes.desired, document, signers),
    grant: (document) => sealDocument(payloadTypes.grant, document, signers),
    procedure: (document) => sealDocument(payloadTypes.procedure, document, signers),
    siteConfig: (document) => sealDocument(payloadTypes.siteConfig, document, signers),
  };
}
