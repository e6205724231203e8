// What a site or node has been convinced of: root chain, release metadata, trust file and desired state,
// each verified when it is learnt and never replaced by something older. Bytes come from anywhere.
import { FleetError } from "@drover/shared/errors";
import {
  type ChannelName,
  ChannelName as ChannelNameSchema,
  EpochMs,
  type SiteId,
} from "@drover/shared/ids";
import { DesiredBody, DesiredDocument } from "@drover/shared/messages/desired";
import { GrantDocument } from "@drover/shared/messages/grant";
import {
  DsseEnvelope,
  openDocument,
  payloadTypes,
  type SigningRole,
} from "@drover/shared/trust/dsse";
import {
  releaseRoleName,
  type TrustedReleases,
  type TrustedRoot,
  trustFirstRoot,
  trustNextRoot,
  trustReleases,
} from "@drover/shared/trust/release-metadata";
import { TrustFile } from "@drover/shared/trust/trust-file";
import { z } from "zod";
import type { TrustedView } from "./core/site/orders-for.ts";

/** The bytes behind everything learnt, so that a restart verifies them again. */
export const TrustMemory = z.object({
  v: z.literal(1),
  /** From the first root given at enrolment to the newest. */
  roots: z.array(z.string()).min(1),
  releases: z.record(z.string(), z.string()),
  trustFile: DsseEnvelope,
  desired: DesiredBody.nullable(),
  newestSignedAt: EpochMs,
});
export type TrustMemory = z.infer<typeof TrustMemory>;

/** A signed document that is not for this site, or is older than what is known. */
export class TrustRefusedError extends FleetError {
  readonly code = "trust-refused";
}

export class TrustKeeper {
  readonly site: SiteId;
  #memory: TrustMemory;
  #root: TrustedRoot;
  readonly #releases = new Map<string, TrustedReleases>();
  #trustFile: TrustFile;
  #desired: DesiredDocument | undefined;

  /** Verifies everything in `memory` again; throws when it does not hold. */
  constructor(site: SiteId, memory: TrustMemory) {
    this.site = site;
    this.#memory = memory;
    const [first = "", ...next] = memory.roots;
    this.#root = next.reduce(trustNextRoot, trustFirstRoot(first));
    this.#trustFile = this.#openTrustFile(memory.trustFile, undefined);
    for (const [channel, text] of Object.entries(memory.releases)) {
      this.#releases.set(
        channel,
        trustReleases(this.#root, ChannelNameSchema.parse(channel), text, 1),
      );
    }
    if (memory.desired) this.#desired = this.#openDesired(memory.desired);
  }

  /** A keeper from what enrolment or an installer was given. */
  static first(site: SiteId, root: string, trustFile: DsseEnvelope): TrustKeeper {
    return new TrustKeeper(site, {
      v: 1,
      roots: [root],
      releases: {},
      trustFile,
      desired: null,
      newestSignedAt: 0,
    });
  }

  /** What to keep; a new object after every change. */
  get memory(): TrustMemory {
    return this.#memory;
  }

  get rootVersion(): number {
    return this.#root.version;
  }

  get trustFile(): TrustFile {
    return this.#trustFile;
  }

  get desired(): DesiredDocument | undefined {
    return this.#desired;
  }

  get generation(): number {
    return this.#desired?.generation ?? 0;
  }

  /** Undefined until desired state has been accepted. */
  get view(): TrustedView | undefined {
    const desired = this.#desired;
    return desired && { desired, releases: this.#releases, trustFile: this.#trustFile };
  }

  /** Own clock, or the newest signed time when the clock lags behind it. Epoch ms. */
  timeAt(ownClockMs: number): number {
    return Math.max(ownClockMs, this.#memory.newestSignedAt);
  }

  releaseVersion(channel: string): number {
    return this.#releases.get(channel)?.version ?? 0;
  }

  /** Takes the next root; throws unless it follows the current one. */
  learnRoot(text: string): void {
    this.#root = trustNextRoot(this.#root, text);
    this.#memory = { ...this.#memory, roots: [...this.#memory.roots, text] };
  }

  /** Takes release metadata that is not older than the remembered. False: it was known already. */
  learnReleases(channel: ChannelName, text: string): boolean {
    const known = this.#releases.get(channel);
    const releases = trustReleases(this.#root, channel, text, known?.version ?? 1);
    if (this.#memory.releases[channel] === text) return false;
    if (known && releases.version === known.version)
      throw new TrustRefusedError(
        `release metadata ${releases.version} of ${channel} has two forms`,
      );
    this.#releases.set(channel, releases);
    this.#memory = { ...this.#memory, releases: { ...this.#memory.releases, [channel]: text } };
    return true;
  }

  /** Takes a trust file with a higher serial, signed by root or by a channel the site accepts now. */
  learnTrustFile(envelope: DsseEnvelope): boolean {
    const file = this.#openTrustFile(envelope, this.#trustFile);
    if (file.serial === this.#trustFile.serial) return false;
    this.#trustFile = file;
    this.#memory = { ...this.#memory, trustFile: envelope };
    this.#noteTime(file.issuedAt);
    return true;
  }

  /** Takes desired state of a higher generation, or a later issue of the same. False: not newer. */
  learnDesired(body: DesiredBody): boolean {
    const document = this.#openDesired(body);
    const known = this.#desired;
    const isNewer =
      !known ||
      document.generation > known.generation ||
      (document.generation === known.generation && document.issuedAt > known.issuedAt);
    if (!isNewer) return false;
    this.#desired = document;
    this.#memory = { ...this.#memory, desired: body };
    this.#noteTime(document.issuedAt);
    return true;
  }

  /** Checks the fleet's signature and the site; whether it may be used is the node's question. */
  openGrant(envelope: DsseEnvelope): GrantDocument {
    const grant = openDocument(envelope, {
      payloadType: payloadTypes.grant,
      roles: [this.#fleetRole()],
      schema: GrantDocument,
    });
    if (grant.site !== this.site)
      throw new TrustRefusedError(`the grant is for site ${grant.site}`);
    this.#noteTime(grant.issuedAt);
    return grant;
  }

  #openDesired(body: DesiredBody): DesiredDocument {
    const document = openDocument(body.document, {
      payloadType: payloadTypes.desired,
      roles: [this.#fleetRole()],
      schema: DesiredDocument,
    });
    if (document.site !== this.site)
      throw new TrustRefusedError(`the desired state is for site ${document.site}`);
    return document;
  }

  #openTrustFile(envelope: DsseEnvelope, known: TrustFile | undefined): TrustFile {
    const channels = known?.acceptedChannels ?? [ChannelNameSchema.parse("stable")];
    const names = ["root", ...channels.map(releaseRoleName)];
    const roles = names.map((name) => this.#root.role(name)).filter((role) => role !== undefined);
    const file = openDocument(envelope, {
      payloadType: payloadTypes.trustFile,
      roles,
      schema: TrustFile,
    });
    if (file.site !== this.site && file.site !== "every")
      throw new TrustRefusedError(`the trust file is for site ${file.site}`);
    if (known && file.serial < known.serial)
      throw new TrustRefusedError(`trust file ${file.serial} is older than ${known.serial}`);
    return file;
  }

  #fleetRole(): SigningRole {
    const role = this.#root.role("fleet");
    if (!role) throw new TrustRefusedError("root names no fleet role");
    return role;
  }

  #noteTime(signedAt: number): void {
    if (signedAt > this.#memory.newestSignedAt)
      this.#memory = { ...this.#memory, newestSignedAt: signedAt };
  }
}
