// Challenges and bearers of sites: only ours, only for that site, only for their time.
import { SiteId } from "@drover/shared/ids";
import { expect, test } from "vitest";
import { siteSessions } from "./site-sessions.ts";

const sessions = siteSessions(new Uint8Array(32).fill(7));
const strangers = siteSessions(new Uint8Array(32).fill(8));
const site = SiteId.parse("s-aaaa");
const other = SiteId.parse("s-bbbb");

test("A challenge is good for its site until it expires.", () => {
  const { challenge, expiresAt } = sessions.challenge(site, 1000);
  expect(sessions.isChallenge(site, challenge, 1000)).toBe(true);
  expect(sessions.isChallenge(other, challenge, 1000)).toBe(false);
  expect(sessions.isChallenge(site, challenge, expiresAt)).toBe(false);
  expect(strangers.isChallenge(site, challenge, 1000)).toBe(false);
});

test("A bearer names its site and identity until it expires.", () => {
  const { bearer, expiresAt } = sessions.bearer(site, "UABC", 1000);
  expect(sessions.readBearer(bearer, 1000)).toEqual({ site, nkeyHash: sessions.nkeyHash("UABC") });
  expect(sessions.readBearer(bearer, expiresAt)).toBeUndefined();
  expect(sessions.readBearer(bearer.replace("s-aaaa", "s-bbbb"), 1000)).toBeUndefined();
  expect(strangers.readBearer(bearer, 1000)).toBeUndefined();
});

test("A challenge never passes as a bearer.", () => {
  const { challenge } = sessions.challenge(site, 1000);
  expect(sessions.readBearer(challenge, 1000)).toBeUndefined();
  expect(sessions.readBearer(`${site}.${challenge}`, 1000)).toBeUndefined();
});
