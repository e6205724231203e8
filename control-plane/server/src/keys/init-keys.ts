// Makes the development keys of a new control plane, once: root (2 of 3), fleet and one release key per
// channel, all on this computer. It says so itself; ceremony keys replace them by a new root version.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ChannelName } from "@drover/shared/ids";
import { type DsseEnvelope, payloadTypes, sealDocument } from "@drover/shared/trust/dsse";
import {
  generateKey,
  type PublicKey,
  type Signer,
  StoredKey,
  signerOf,
} from "@drover/shared/trust/keys";
import { makeRoot, type RoleKeys, releaseRoleName } from "@drover/shared/trust/release-metadata";
import type { TrustFile } from "@drover/shared/trust/trust-file";
import { z } from "zod";
import { KeyFileError, keyFile, makeKeyFolder, readKeyFile, writeKeyFile } from "./key-folder.ts";

/** Channels a development control plane can sign for, and its sites accept. */
export const developmentChannels = ["dev", "candidate", "stable"].map((name) =>
  ChannelName.parse(name),
);
const rootLifeMs = 3650 * 86_400_000;

/** Keys and signed documents at rest in `<data>/keys`. */
export interface FleetKeys {
  /** Signs desired documents, grants, site configs and procedures. */
  readonly fleet: Signer;
  /** Signed root metadata, version 1. */
  readonly rootText: string;
  /** Trust file every site is given at enrolment. */
  readonly trustFile: DsseEnvelope;
  /** True when the keys were made here and now. */
  readonly made: boolean;
}

const RootFile = z.object({ version: z.literal(1), text: z.string() });
const TrustFileFile = z.object({
  envelope: z.object({
    payloadType: z.string(),
    payload: z.string(),
    signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })),
  }),
  note: z.string(),
});

/** Opens the keys, making the development set in an empty folder. `now` is epoch ms. */
export function openFleetKeys(folder: string, now: number): FleetKeys {
  makeKeyFolder(folder);
  const made = readKeyFile(keyFile(folder, "root-1"), RootFile) === undefined;
  if (made) initKeys(folder, now);
  const fleet = readKeyFile(keyFile(folder, "fleet"), StoredKey);
  const root = readKeyFile(keyFile(folder, "root-1"), RootFile);
  const trust = readKeyFile(keyFile(folder, "trust-file"), TrustFileFile);
  if (!fleet || !root || !trust)
    throw new KeyFileError(`the key folder ${folder} is incomplete; restore it from a backup`);
  return { fleet: signerOf(fleet), rootText: root.text, trustFile: trust.envelope, made };
}

/** Makes whatever is missing; the root metadata is written last and marks the set as complete. */
export function initKeys(folder: string, now: number): void {
  makeKeyFolder(folder);
  mkdirSync(join(folder, "release"), { recursive: true, mode: 0o700 });
  const own = (name: string, role: string): StoredKey => {
    const file = keyFile(folder, name);
    if (readKeyFile(file, StoredKey) === undefined) writeKeyFile(file, generateKey(role));
    const key = readKeyFile(file, StoredKey);
    if (!key) throw new KeyFileError(`the key file ${file} can't be written`);
    return key;
  };
  const roots = [1, 2, 3].map((number) => own(`root-key-${number}`, "root"));
  const fleet = own("fleet", "fleet");
  const releases = developmentChannels.map((channel) => {
    const role = releaseRoleName(channel);
    return [role, own(role, role)] as const;
  });
  const roles: Record<string, RoleKeys> = {
    root: { keys: roots.map((key) => key.public), threshold: 2 },
    fleet: one(fleet.public),
    ...Object.fromEntries(releases.map(([role, key]) => [role, one(key.public)])),
  };
  const signers = roots.slice(0, 2).map(signerOf);
  writeKeyFile(keyFile(folder, "trust-file"), {
    note: "development default: these keys were made on this computer and accept every channel",
    envelope: sealDocument(payloadTypes.trustFile, developmentTrust(now), signers),
  });
  const text = makeRoot({ version: 1, expiresAt: now + rootLifeMs, roles }, signers);
  writeKeyFile(keyFile(folder, "root-1"), { version: 1, text });
}

const one = (key: PublicKey): RoleKeys => ({ keys: [key], threshold: 1 });

const developmentTrust = (now: number): TrustFile => ({
  v: 1,
  site: "every",
  serial: 1,
  issuedAt: now,
  acceptedChannels: developmentChannels,
  ceilings: { rebootsPerDayMax: 24, nodesAtOnceMax: 100 },
});

/** The signer of one channel's release metadata, for the development commands only. */
export function releaseSigner(folder: string, channel: ChannelName): Signer {
  const file = keyFile(folder, releaseRoleName(channel));
  const key = readKeyFile(file, StoredKey);
  if (!key) throw new KeyFileError(`there is no release key ${file}`);
  return signerOf(key);
}
