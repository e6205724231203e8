// Who is calling: a person by bearer token or console cookie, or a site by its short-lived bearer. A cookie
// alone changes nothing: a changing request needs JSON from our own origin as well.
import type { SiteId } from "@drover/shared/ids";
import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import { RequestError } from "./problem.ts";

export interface Person {
  readonly name: string;
  readonly roles: readonly string[];
}

/** Checks secrets of people; each answers undefined for an unknown or expired one. */
export interface PeopleChecker {
  byToken(token: string): Promise<Person | undefined>;
  bySession(session: string): Promise<Person | undefined>;
}

/** Checks the bearer of a site: signed by us, unexpired, and the site still has that identity. */
export interface SiteChecker {
  byBearer(bearer: string): Promise<SiteId | undefined>;
}

export interface CallerOptions {
  readonly people: PeopleChecker;
  readonly sites: SiteChecker;
}

export const sessionCookie = "__Host-drover-session";

export async function requirePerson(context: Context, options: CallerOptions): Promise<Person> {
  const token = bearerOf(context);
  if (token !== undefined) {
    const person = await options.people.byToken(token);
    if (person) return person;
    throw new RequestError(401, "login-refused", "this access token is not known or has expired");
  }
  const session = getCookie(context, sessionCookie);
  if (session === undefined)
    throw new RequestError(
      401,
      "login-needed",
      "log in first: send an access token or open a one-time link",
    );
  refuseForeignOrigin(context);
  const person = await options.people.bySession(session);
  if (person) return person;
  throw new RequestError(401, "login-refused", "this session has ended: open a new one-time link");
}

export async function requireSite(context: Context, options: CallerOptions): Promise<SiteId> {
  const bearer = bearerOf(context);
  const site = bearer === undefined ? undefined : await options.sites.byBearer(bearer);
  if (site === undefined)
    throw new RequestError(401, "site-bearer-refused", "a valid bearer of a site is needed");
  return site;
}

function bearerOf(context: Context): string | undefined {
  return /^Bearer ([\w.~+/=-]{1,600})$/.exec(context.req.header("authorization") ?? "")?.[1];
}

/** A browser sends the cookie by itself; other sites' pages must not be able to use that. */
function refuseForeignOrigin(context: Context): void {
  const { method } = context.req;
  if (method === "GET" || method === "HEAD") return;
  const origin = context.req.header("origin");
  const own = new URL(context.req.url).host;
  const host = origin === undefined || !URL.canParse(origin) ? undefined : new URL(origin).host;
  if (host !== own)
    throw new RequestError(403, "foreign-origin", "this request does not come from the console");
}

/** What a role may do; roles above include those below. */
const rolesFor = {
  read: ["viewer", "operator", "release-manager", "approver", "auditor", "admin"],
  operate: ["operator", "release-manager", "admin"],
  release: ["release-manager", "admin"],
  administer: ["admin"],
} as const;
export type Right = keyof typeof rolesFor;

export function requireRight(person: Person, right: Right): void {
  const allowed: readonly string[] = rolesFor[right];
  if (person.roles.some((role) => allowed.includes(role))) return;
  throw new RequestError(
    403,
    "not-allowed",
    `${person.name} may not do this: it needs one of ${allowed.join(", ")}`,
  );
}
