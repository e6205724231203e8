// Release trust in TUF's formats with our own workflow and an injected clock: root metadata names the
// keys of `root`, `fleet` and each `release/<channel>`; release metadata (TUF targets) lists releases.
// No network, no files, no clock: callers hand in bytes and `now`.
import {
  Metadata,
  MetadataKind,
  type Root,
  Signature,
  type TargetFile,
  type Targets,
} from "@tufjs/models";
import { z } from "zod";
import { FleetError } from "../errors.ts";
import { type ChannelName, ImageId } from "../ids.ts";
import { ReleaseCustom, type ReleaseRef, releasePath } from "../release/release.ts";
import type { SigningRole } from "./dsse.ts";
import { keyIdOf, PublicKey, type Signer } from "./keys.ts";

export class ReleaseMetadataRefusedError extends FleetError {
  readonly code = "release-metadata-refused";
}

export const specVersion = "1.0.33";
/** A metadata document is at most this large. */
export const metadataBytesMax = 4 * 1024 * 1024;

export const releaseRoleName = (channel: ChannelName): string => `release/${channel}`;

/** Keys and threshold of one role. */
export interface RoleKeys {
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

const iso = (epochMs: number): string => new Date(epochMs).toISOString().replace(/\.\d{3}Z$/, "Z");

/**
 * Makes and signs root metadata. `roles` holds `root`, `fleet` and `release/<channel>`; the roles
 * TUF's format demands beside root (targets, snapshot, timestamp) are given to the root keys, unused.
 */
export function makeRoot(
  input: { version: number; expiresAt: number; roles: Readonly<Record<string, RoleKeys>> },
  signers: readonly Signer[],
): string {
  const rootKeys = input.roles["root"];
  if (!rootKeys)
    throw new ReleaseMetadataRefusedError("root metadata needs keys for the role root");
  const all = { targets: rootKeys, snapshot: rootKeys, timestamp: rootKeys, ...input.roles };
  const keys: Record<string, PublicKey> = {};
  const roles: Record<string, { keyids: string[]; threshold: number }> = {};
  for (const [name, role] of Object.entries(all)) {
    for (const key of role.keys) keys[keyIdOf(key)] = key;
    roles[name] = { keyids: role.keys.map(keyIdOf), threshold: role.threshold };
  }
  const head = signedHead("root", input.version, input.expiresAt);
  const signed = { ...head, consistent_snapshot: true, keys, roles };
  return serialise(Metadata.fromJSON(MetadataKind.Root, { signed, signatures: [] }), signers);
}

const signedHead = (kind: "root" | "targets", version: number, expiresAt: number) => ({
  _type: kind,
  spec_version: specVersion,
  version,
  expires: iso(expiresAt),
});

/** One release as the signer states it. */
export interface ReleaseEntry {
  readonly name: string;
  readonly semver: string;
  readonly imageId: ImageId;
  readonly manifestBytes: number;
  readonly custom: ReleaseCustom;
}

/** Makes and signs the metadata of `release/<channel>`. */
export function makeReleaseMetadata(
  input: { version: number; expiresAt: number; releases: readonly ReleaseEntry[] },
  signers: readonly Signer[],
): string {
  const targets = Object.fromEntries(
    input.releases.map((release) => [
      releasePath(release),
      {
        length: release.manifestBytes,
        hashes: { sha256: release.imageId },
        custom: z.json().parse(JSON.parse(JSON.stringify(release.custom))),
      },
    ]),
  );
  const signed = { ...signedHead("targets", input.version, input.expiresAt), targets };
  return serialise(Metadata.fromJSON(MetadataKind.Targets, { signed, signatures: [] }), signers);
}

function serialise(
  metadata: Metadata<Root> | Metadata<Targets>,
  signers: readonly Signer[],
): string {
  for (const signer of signers) {
    metadata.sign(
      (data) =>
        new Signature({ keyID: signer.keyid, sig: Buffer.from(signer.sign(data)).toString("hex") }),
    );
  }
  return JSON.stringify(metadata.toJSON());
}

/** A root whose signatures have been checked. */
export interface TrustedRoot {
  readonly version: number;
  readonly expiresAt: number;
  readonly text: string;
  /** Keys of a role, or undefined when root does not know it. */
  role(name: string): SigningRole | undefined;
  readonly metadata: Metadata<Root>;
}

function refuse(what: string, cause?: unknown): never {
  throw new ReleaseMetadataRefusedError(what, { cause });
}

function parseMetadata<Kind extends MetadataKind.Root | MetadataKind.Targets>(
  kind: Kind,
  text: string,
): Kind extends MetadataKind.Root ? Metadata<Root> : Metadata<Targets> {
  if (text.length > metadataBytesMax)
    refuse(`${kind} metadata is larger than ${metadataBytesMax} bytes`);
  try {
    const json = z.record(z.string(), z.json()).parse(JSON.parse(text));
    const metadata =
      kind === MetadataKind.Root
        ? Metadata.fromJSON(MetadataKind.Root, json)
        : Metadata.fromJSON(MetadataKind.Targets, json);
    // One spelling only: two texts of one version would look like two releases of the same number.
    for (const { sig } of Object.values(metadata.signatures))
      if (!/^[0-9a-f]+$/.test(sig)) throw new Error("a signature is not lower-case hex");
    return metadata as Kind extends MetadataKind.Root ? Metadata<Root> : Metadata<Targets>;
  } catch (cause) {
    return refuse(`the ${kind} metadata cannot be read`, cause);
  }
}

function checkKeyIds(root: Root): void {
  for (const [keyid, key] of Object.entries(root.keys)) {
    const parsed = PublicKey.safeParse(key.toJSON());
    if (!parsed.success) refuse(`root holds a key of a kind we do not accept: ${keyid}`);
    if (keyIdOf(parsed.data) !== keyid)
      refuse(`root names a key by something other than its digest: ${keyid}`);
  }
}

function verify(
  by: Metadata<Root>,
  role: string,
  metadata: Metadata<Root> | Metadata<Targets>,
): void {
  try {
    by.verifyDelegate(role, metadata);
  } catch (cause) {
    refuse(`the metadata of ${role} is not signed by enough of its keys`, cause);
  }
}

function trusted(metadata: Metadata<Root>, text: string): TrustedRoot {
  const root = metadata.signed;
  return {
    version: root.version,
    expiresAt: Date.parse(root.expires),
    text,
    metadata,
    role(name) {
      const role = Object.hasOwn(root.roles, name) ? root.roles[name] : undefined;
      if (!role) return undefined;
      const keys: Record<string, PublicKey> = {};
      for (const keyid of role.keyIDs) {
        const key = root.keys[keyid];
        if (key) keys[keyid] = PublicKey.parse(key.toJSON());
      }
      return { name, keys, threshold: role.threshold };
    },
  };
}

/** Reads the first root a site is given at enrolment: it must be signed by its own threshold. */
export function trustFirstRoot(text: string): TrustedRoot {
  const metadata = parseMetadata(MetadataKind.Root, text);
  checkKeyIds(metadata.signed);
  verify(metadata, "root", metadata);
  return trusted(metadata, text);
}

/**
 * Moves from root N to N+1 (TUF 1.0 §5.3): signed by the thresholds of both, exactly one version up.
 * Expiry is not judged here: an expired root never blocks learning its successor.
 */
export function trustNextRoot(current: TrustedRoot, text: string): TrustedRoot {
  const metadata = parseMetadata(MetadataKind.Root, text);
  checkKeyIds(metadata.signed);
  verify(current.metadata, "root", metadata);
  verify(metadata, "root", metadata);
  if (metadata.signed.version !== current.version + 1) {
    refuse(`root version ${metadata.signed.version} does not follow ${current.version}`);
  }
  return trusted(metadata, text);
}

/** Release metadata of one channel whose signatures have been checked. */
export interface TrustedReleases {
  readonly channel: ChannelName;
  readonly version: number;
  readonly expiresAt: number;
  readonly releases: readonly ReleaseEntry[];
}

/**
 * Verifies the metadata of `release/<channel>` against root: threshold, no rollback below
 * `versionMin`. Expiry is returned, not judged: it blocks only new assignments, by the caller.
 */
export function trustReleases(
  root: TrustedRoot,
  channel: ChannelName,
  text: string,
  versionMin: number,
): TrustedReleases {
  const metadata = parseMetadata(MetadataKind.Targets, text);
  const role = releaseRoleName(channel);
  if (!root.role(role)) refuse(`root knows no role ${role}`);
  verify(root.metadata, role, metadata);
  const signed = metadata.signed;
  if (signed.version < versionMin) {
    refuse(
      `release metadata of ${channel} is version ${signed.version}, below the remembered ${versionMin}`,
    );
  }
  const releases = Object.values(signed.targets).map(readEntry);
  return { channel, version: signed.version, expiresAt: Date.parse(signed.expires), releases };
}

function readEntry(file: TargetFile): ReleaseEntry {
  const custom = ReleaseCustom.safeParse(file.custom);
  const imageId = ImageId.safeParse(file.hashes["sha256"]);
  const at = file.path.split("/");
  if (!custom.success || !imageId.success || at.length !== 2 || !at[0] || !at[1]) {
    refuse(`release metadata holds an entry that is no release: ${file.path}`);
  }
  return {
    name: at[0],
    semver: at[1],
    imageId: imageId.data,
    manifestBytes: file.length,
    custom: custom.data,
  };
}

/** The releases in metadata that is ours to extend and sign again; signatures are not judged here. */
export function releaseEntries(text: string): readonly ReleaseEntry[] {
  return Object.values(parseMetadata(MetadataKind.Targets, text).signed.targets).map(readEntry);
}

/** The entry that signs exactly this release, or a reason why there is none. */
export function findRelease(
  releases: TrustedReleases,
  wanted: ReleaseRef,
): { found: ReleaseEntry } | { refused: string } {
  const label = `${wanted.name}@${wanted.semver}`;
  const entry = releases.releases.find(
    (each) => each.name === wanted.name && each.semver === wanted.semver,
  );
  if (!entry) return { refused: `channel ${releases.channel} has no signed release ${label}` };
  if (entry.imageId !== wanted.imageId) return { refused: `${label} is signed for another image` };
  if (entry.custom.counter !== wanted.counter)
    return { refused: `${label} is signed with another counter` };
  return { found: entry };
}
