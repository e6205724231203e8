// Challenges and bearers of sites, kept by nobody: both carry their expiry and an HMAC of a secret that all
// replicas share. A bearer names the nkey it was made for, so a new enrolment voids the old one.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { SiteId } from "@drover/shared/ids";

export const challengeValidMs = 60_000;
export const bearerValidMs = 600_000;

export interface SiteSessions {
  challenge(site: SiteId, now: number): { challenge: string; expiresAt: number };
  /** True for a challenge of ours for this site that has not expired. */
  isChallenge(site: SiteId, challenge: string, now: number): boolean;
  bearer(site: SiteId, nkey: string, now: number): { bearer: string; expiresAt: number };
  /** What the bearer says, or undefined when it is not ours or has expired. */
  readBearer(bearer: string, now: number): { site: SiteId; nkeyHash: string } | undefined;
  /** The short form of an nkey that a bearer carries. */
  nkeyHash(nkey: string): string;
}

/** `secret` has at least 32 bytes. */
export function siteSessions(secret: Uint8Array): SiteSessions {
  const mac = (text: string): string =>
    createHmac("sha256", secret).update(text).digest("base64url");
  const nkeyHash = (nkey: string): string => mac(`nkey:${nkey}`).slice(0, 22);
  return {
    nkeyHash,
    challenge(site, now) {
      const expiresAt = now + challengeValidMs;
      const text = `${randomBytes(16).toString("base64url")}.${expiresAt}`;
      return { challenge: `${text}.${mac(`challenge:${site}:${text}`)}`, expiresAt };
    },
    isChallenge(site, challenge, now) {
      const [random, expiresAt, signature, ...rest] = challenge.split(".");
      if (!random || !expiresAt || !signature || rest.length > 0) return false;
      const fits = isEqual(signature, mac(`challenge:${site}:${random}.${expiresAt}`));
      return fits && Number(expiresAt) > now;
    },
    bearer(site, nkey, now) {
      const expiresAt = now + bearerValidMs;
      const text = `${site}.${nkeyHash(nkey)}.${expiresAt}`;
      return { bearer: `${text}.${mac(`bearer:${text}`)}`, expiresAt };
    },
    readBearer(bearer, now) {
      const [siteText, hash, expiresAt, signature, ...rest] = bearer.split(".");
      const site = SiteId.safeParse(siteText);
      if (!site.success || !hash || !expiresAt || !signature || rest.length > 0) return undefined;
      if (!isEqual(signature, mac(`bearer:${siteText}.${hash}.${expiresAt}`))) return undefined;
      return Number(expiresAt) > now ? { site: site.data, nkeyHash: hash } : undefined;
    },
  };
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
