// A fleet's signing side for the lab: keys made on the spot, and every document a site needs to install
// and change one node, signed as the real control plane does.

import type { TrustMemory } from "@drover/agent/trust-keeper";
import { ChannelName, GrantId, NodeClass, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import { DesiredBody, DesiredDocument } from "@drover/shared/messages/desired";
import { GrantDocument, type GrantReply, type GrantRequest } from "@drover/shared/messages/grant";
import type { ReleaseRef } from "@drover/shared/release/release";
import { SitePolicy } from "@drover/shared/site/policy";
import { defaultProcedure } from "@drover/shared/site/procedure";
import { payloadTypes, sealDocument } from "@drover/shared/trust/dsse";
import { generateKey, type Signer, signerOf } from "@drover/shared/trust/keys";
import {
  makeReleaseMetadata,
  makeRoot,
  type ReleaseEntry,
  releaseRoleName,
} from "@drover/shared/trust/release-metadata";
import { TrustFile } from "@drover/shared/trust/trust-file";

/** What a test asks of its one node. Releases are named by their place in the list of releases. */
export interface LabOrders {
  readonly generation: number;
  readonly isClassified: boolean;
  readonly installSerial: number | null;
  readonly committed: number | null;
  readonly assigned: number | null;
}

export interface LabFleet {
  readonly site: SiteId;
  readonly node: NodeId;
  readonly trust: TrustMemory;
  desired(orders: LabOrders): DesiredBody;
  grant(request: GrantRequest): GrantReply;
}

const dayMs = 86_400_000;
const channel = ChannelName.parse("stable");
const nodeClass = NodeClass.parse("lite");
const rolloutId = RolloutId.parse("r-labrollout");

export interface LabFleetOptions {
  readonly mac: string;
  /** All of one name, oldest first. */
  readonly releases: readonly ReleaseRef[];
  readonly policy: Partial<SitePolicy>;
}

const site = SiteId.parse("s-labsite");
const node = NodeId.parse("n-labnode");

/** Makes keys and the documents that do not change. */
export function makeLabFleet(options: LabFleetOptions): LabFleet {
  const [root, fleet, release] = ["root", "fleet", releaseRoleName(channel)]
    .map(generateKey)
    .map(signerOf) as [Signer, Signer, Signer];
  return {
    site,
    node,
    trust: trustOf(options.releases, { root, fleet, release }),
    desired: (orders) => desiredOf(options, orders, fleet),
    grant: (request) => grantOf(request, fleet),
  };
}

function trustOf(
  releases: readonly ReleaseRef[],
  { root, fleet, release }: { root: Signer; fleet: Signer; release: Signer },
): TrustMemory {
  const now = Date.now();
  const expiresAt = now + 365 * dayMs;
  const role = ({ public: key }: Signer) => ({ keys: [key], threshold: 1 });
  const roles = { root: role(root), fleet: role(fleet), [releaseRoleName(channel)]: role(release) };
  const entries = releases.map(
    ({ name, semver, imageId, counter }): ReleaseEntry => ({
      ...{ name, semver, imageId, manifestBytes: 1 },
      custom: { counter, minimum: 0, step: false },
    }),
  );
  const trustFile = TrustFile.parse({
    v: 1,
    site,
    serial: 1,
    issuedAt: now,
    acceptedChannels: [channel],
    ceilings: { rebootsPerDayMax: 20, nodesAtOnceMax: 5 },
  });
  return {
    v: 1,
    roots: [makeRoot({ version: 1, expiresAt, roles }, [root])],
    releases: {
      [channel]: makeReleaseMetadata({ version: 1, expiresAt, releases: entries }, [release]),
    },
    trustFile: sealDocument(payloadTypes.trustFile, trustFile, [root]),
    desired: null,
    newestSignedAt: now,
  };
}

function desiredOf(options: LabFleetOptions, orders: LabOrders, fleet: Signer): DesiredBody {
  const refOf = (place: number | null): ReleaseRef | null =>
    place === null ? null : (options.releases[place] ?? null);
  const assigned = refOf(orders.assigned);
  const sizes = { espMiB: 64, bootMiB: 48, rootMiB: 256, siteMiB: 8 };
  const procedure = defaultProcedure(nodeClass, sizes);
  const { generation, installSerial: serial } = orders;
  const now = Date.now();
  const document = DesiredDocument.parse({
    ...{ v: 1, site, generation, issuedAt: now, expiresAt: now + 30 * dayMs, status: "active" },
    classes: {
      [nodeClass]: {
        committed: refOf(orders.committed),
        assigned: assigned && { release: assigned, rolloutId, rolloutEpoch: 1 },
        minimum: 0,
        withdrawn: [],
        procedure: sealDocument(payloadTypes.procedure, procedure, [fleet]),
      },
    },
    nodes: [
      {
        id: node,
        macs: [options.mac],
        class: orders.isClassified ? nodeClass : null,
        install: serial === null ? null : { serial, issuedAt: now },
        hold: false,
        refusalsCleared: 0,
      },
    ],
    policy: SitePolicy.parse(options.policy),
    metadata: { rootVersion: 1, releases: {} },
  });
  const sealed = sealDocument(payloadTypes.desired, document, [fleet]);
  return DesiredBody.parse({ generation, document: sealed });
}

function grantOf({ nodes, imageId, rolloutEpoch }: GrantRequest, fleet: Signer): GrantReply {
  const document = GrantDocument.parse({
    v: 1,
    id: GrantId.parse(`g-lab${Date.now()}`),
    ...{ site, rolloutId, rolloutEpoch, imageId, nodes },
    validMs: 120_000,
    issuedAt: Date.now(),
  });
  const sealed = sealDocument(payloadTypes.grant, document, [fleet]);
  return { outcome: "granted", document: sealed, because: ["the lab grants everything"] };
}
