// For tests: a site's signed documents with one node and one release, every part replaceable, so that a
// test can break exactly one thing.
import { ChannelName, ImageId, NodeClass, NodeId, SiteId } from "@drover/shared/ids";
import { DesiredBody, DesiredDocument } from "@drover/shared/messages/desired";
import { ReleaseRef } from "@drover/shared/release/release";
import { defaultSitePolicy } from "@drover/shared/site/policy";
import { defaultProcedure, type Procedure } from "@drover/shared/site/procedure";
import { payloadTypes, sealDocument } from "@drover/shared/trust/dsse";
import { generateKey, type Signer, signerOf } from "@drover/shared/trust/keys";
import {
  makeReleaseMetadata,
  makeRoot,
  releaseRoleName,
} from "@drover/shared/trust/release-metadata";
import type { NodeBundle } from "../node-api/contract.ts";

export const site = SiteId.parse("s-fixture");
export const node = NodeId.parse("n-fixture");
export const nodeClass = NodeClass.parse("lite");
export const stable = ChannelName.parse("stable");
export const dev = ChannelName.parse("dev");
export const issuedAt = Date.UTC(2026, 0, 5);
const dayMs = 86_400_000;

const signerFor = (role: string): Signer => signerOf(generateKey(role));
export const signers = {
  root: signerFor("root"),
  fleet: signerFor("fleet"),
  stable: signerFor("release/stable"),
  dev: signerFor("release/dev"),
  stranger: signerFor("nobody"),
};

export const release: ReleaseRef = ReleaseRef.parse({
  name: "lite",
  semver: "1.2.0",
  channel: "stable",
  counter: 3,
  imageId: ImageId.parse("ab".repeat(32)),
});

export interface BundleChange {
  readonly committed?: ReleaseRef | null;
  readonly minimum?: number;
  readonly signedCounter?: number;
  readonly withdrawn?: string;
  readonly desiredBy?: Signer;
  readonly releasesBy?: Signer;
  readonly procedureBy?: Signer;
  readonly procedure?: Procedure;
  readonly install?: boolean;
  readonly expiresAt?: number;
  readonly status?: "active" | "quarantined";
}

function releasesOf(change: BundleChange): NodeBundle["releases"] {
  const counter = change.signedCounter ?? release.counter;
  const custom = { counter, minimum: change.minimum ?? 0, step: false };
  const { name, semver, imageId } = release;
  const entry = {
    ...{ name, semver, imageId, manifestBytes: 1000 },
    custom: change.withdrawn === undefined ? custom : { ...custom, withdrawn: change.withdrawn },
  };
  const expiresAt = change.expiresAt ?? issuedAt + 90 * dayMs;
  const content = { version: 1, expiresAt, releases: [entry] };
  return {
    [stable]: makeReleaseMetadata(content, [change.releasesBy ?? signers.stable]),
    [dev]: makeReleaseMetadata(content, [signers.dev]),
  };
}

function desiredOf(change: BundleChange): DesiredBody {
  const procedure = change.procedure ?? defaultProcedure(nodeClass);
  const document = DesiredDocument.parse({
    ...{ v: 1, site, generation: 7, issuedAt, status: change.status ?? "active" },
    expiresAt: change.expiresAt ?? issuedAt + 30 * dayMs,
    classes: {
      [nodeClass]: {
        committed: change.committed === undefined ? release : change.committed,
        assigned: null,
        minimum: 0,
        withdrawn: [],
        procedure: sealDocument(payloadTypes.procedure, procedure, [
          change.procedureBy ?? signers.fleet,
        ]),
      },
    },
    nodes: [
      {
        id: node,
        macs: ["52:54:00:00:00:01"],
        class: nodeClass,
        install: change.install === false ? null : { serial: 1, issuedAt },
        hold: false,
        refusalsCleared: 0,
      },
    ],
    policy: defaultSitePolicy,
    metadata: { rootVersion: 1, releases: {} },
  });
  const by = change.desiredBy ?? signers.fleet;
  const sealed = sealDocument(payloadTypes.desired, document, [by]);
  return DesiredBody.parse({ generation: 7, document: sealed });
}

/** A whole bundle that holds, but for the changes asked for. */
export function bundleWith(change: BundleChange = {}): NodeBundle {
  const role = ({ public: key }: Signer) => ({ keys: [key], threshold: 1 });
  const roles = {
    root: role(signers.root),
    fleet: role(signers.fleet),
    [releaseRoleName(stable)]: role(signers.stable),
    [releaseRoleName(dev)]: role(signers.dev),
  };
  const trustFile = {
    ...{ v: 1, site, serial: 1, issuedAt, acceptedChannels: [stable] },
    ceilings: { rebootsPerDayMax: 4, nodesAtOnceMax: 1 },
  };
  return {
    roots: [makeRoot({ version: 1, expiresAt: issuedAt + 365 * dayMs, roles }, [signers.root])],
    releases: releasesOf(change),
    trustFile: sealDocument(payloadTypes.trustFile, trustFile, [signers.root]),
    desired: desiredOf(change),
    images: [release.imageId],
  };
}
