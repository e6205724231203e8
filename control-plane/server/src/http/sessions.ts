// Logging in: one-time codes become console cookies; a logged-in person makes new codes.
import { sessionApi } from "@drover/shared/api/session-api";
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { type Person, sessionCookie } from "./callers.ts";
import { RequestError } from "./problem.ts";
import type { Server } from "./serve.ts";

export interface SessionDesk {
  /** Uses up the code and opens a session. */
  redeem(code: string): Promise<{ person: Person; session: string; expiresAt: number } | undefined>;
  endSession(session: string): Promise<void>;
  /** A one-time code for the same person. */
  newCode(person: string): Promise<string>;
}

export function serveSessions(
  server: Server,
  options: { desk: SessionDesk; limitTries(context: Context): void; now: () => number },
): void {
  const { desk } = options;
  server.anyone(sessionApi.login, async ({ body, context }) => {
    options.limitTries(context);
    const opened = await desk.redeem(body.code);
    if (!opened)
      throw new RequestError(403, "login-refused", "this one-time link was used or has expired");
    setCookie(context, sessionCookie, opened.session, {
      path: "/",
      secure: true,
      httpOnly: true,
      sameSite: "Strict",
      maxAge: Math.floor((opened.expiresAt - options.now()) / 1000),
    });
    return { name: opened.person.name };
  });
  server.person(sessionApi.logout, "read", async ({ context }) => {
    const session = getCookie(context, sessionCookie);
    if (session !== undefined) await desk.endSession(session);
    deleteCookie(context, sessionCookie, { path: "/", secure: true });
    return {};
  });
  server.person(sessionApi.me, "read", async (_call, person) => ({
    name: person.name,
    roles: [...person.roles],
  }));
  server.person(sessionApi.loginLink, "read", async (_call, person) => ({
    code: await desk.newCode(person.name),
  }));
}
