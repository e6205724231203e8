// Identities of the bus in operator mode: operator, system account, fleet account with one scoped signing
// key for sites, and the two users of the control plane. Seeds stay in 0600 files; JWTs are made anew.
import { messageBytesMax } from "@drover/shared/messages/envelope";
import { sitePermissions } from "@drover/shared/subjects";
import {
  generateNkey,
  type Nkey,
  type NkeyKind,
  nkeyFromSeed,
  signNatsJwt,
} from "@drover/shared/trust/nkey";
import { z } from "zod";
import {
  KeyFileError,
  keyFile,
  makeKeyFolder,
  readKeyFile,
  writeKeyFile,
} from "../keys/key-folder.ts";

const SeedFile = z.strictObject({
  kind: z.enum(["operator", "account", "user"]),
  public: z.string(),
  seed: z.string(),
});

export interface BusKeys {
  readonly operator: Nkey;
  readonly systemAccount: Nkey;
  readonly account: Nkey;
  /** Signs site JWTs; can't widen what the account's template allows. */
  readonly siteSigner: Nkey;
  readonly systemUser: Nkey;
  readonly centreUser: Nkey;
}

/** Public nkey of a revoked site to the epoch second up to which its JWTs are void. */
export type Revocations = Readonly<Record<string, number>>;

/** Opens the bus keys, making the missing ones. */
export function openBusKeys(folder: string): BusKeys {
  makeKeyFolder(folder);
  return {
    operator: openSeed(folder, "operator", "operator"),
    systemAccount: openSeed(folder, "system-account", "account"),
    account: openSeed(folder, "account", "account"),
    siteSigner: openSeed(folder, "site-signer", "account"),
    systemUser: openSeed(folder, "system-user", "user"),
    centreUser: openSeed(folder, "centre-user", "user"),
  };
}

function openSeed(folder: string, name: string, kind: NkeyKind): Nkey {
  const file = keyFile(folder, name);
  if (readKeyFile(file, SeedFile) === undefined) {
    const { public: publicText, seed } = generateNkey(kind);
    writeKeyFile(file, { kind, public: publicText, seed });
  }
  const stored = readKeyFile(file, SeedFile);
  if (!stored) throw new KeyFileError(`the key file ${file} can't be written`);
  return nkeyFromSeed(kind, stored.seed);
}

const unlimited = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
};
const seconds = (epochMs: number): number => Math.floor(epochMs / 1000);

/** The operator's self-signed JWT. */
export function operatorJwt(keys: BusKeys, now: number): string {
  return signNatsJwt(
    {
      name: "drover",
      sub: keys.operator.public,
      iat: seconds(now),
      nats: { type: "operator", version: 2, system_account: keys.systemAccount.public },
    },
    keys.operator,
  );
}

/** JWT of the system account: no JetStream. */
export function systemAccountJwt(keys: BusKeys, now: number): string {
  const limits = { ...unlimited, mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };
  return accountClaims(keys, { name: "SYS", account: keys.systemAccount, limits, now });
}

/**
 * JWT of the fleet account with the permission template of sites and everything revoked: an update
 * that forgets a revocation takes it back.
 */
export function fleetAccountJwt(keys: BusKeys, revocations: Revocations, now: number): string {
  const limits = { ...unlimited, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const scope = {
    kind: "user_scope",
    key: keys.siteSigner.public,
    role: "site",
    template: {
      ...sitePermissions,
      subs: 8,
      data: -1,
      payload: messageBytesMax,
      allowed_connection_types: ["STANDARD", "WEBSOCKET"],
    },
  };
  return accountClaims(keys, {
    name: "FLEET",
    account: keys.account,
    limits,
    now,
    more: { signing_keys: [scope], revocations },
  });
}

function accountClaims(
  keys: BusKeys,
  input: {
    name: string;
    account: Nkey;
    limits: Readonly<Record<string, unknown>>;
    now: number;
    more?: Readonly<Record<string, unknown>>;
  },
): string {
  const { name, account, limits, now, more } = input;
  const claims = { type: "account", version: 2, limits, ...more };
  return signNatsJwt({ name, sub: account.public, iat: seconds(now), nats: claims }, keys.operator);
}

/** JWT of one of the control plane's own users; valid until the keys change. */
export function ownUserJwt(user: Nkey, account: Nkey, name: string, now: number): string {
  const nats = { type: "user", version: 2, subs: -1, data: -1, payload: -1 };
  return signNatsJwt({ name, sub: user.public, iat: seconds(now), nats }, account);
}

/** A site's JWT: its name is the site id, which the permission template fills in. */
export function siteJwt(
  keys: BusKeys,
  input: { site: string; nkey: string; issuedAt: number; expiresAt: number },
): string {
  return signNatsJwt(
    {
      name: input.site,
      sub: input.nkey,
      iat: seconds(input.issuedAt),
      exp: seconds(input.expiresAt),
      nats: { type: "user", version: 2, issuer_account: keys.account.public },
    },
    keys.siteSigner,
  );
}
