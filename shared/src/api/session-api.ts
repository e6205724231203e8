// Logging in: an access token for CLI and CI, a one-time link that becomes a cookie for the console.
import { z } from "@hono/zod-openapi";
import { endpoint } from "./route.ts";

export const sessionApi = {
  login: endpoint({
    method: "post",
    path: "/api/v1/sessions",
    summary: "exchange a one-time login code for a session cookie",
    caller: "anyone",
    body: z.strictObject({ code: z.string().min(16).max(200) }),
    result: z.object({ name: z.string() }),
  }),
  logout: endpoint({
    method: "delete",
    path: "/api/v1/sessions",
    summary: "end the session",
    caller: "person",
    result: z.object({}),
  }),
  me: endpoint({
    method: "get",
    path: "/api/v1/me",
    summary: "who is calling",
    caller: "person",
    result: z.object({ name: z.string(), roles: z.array(z.string()) }),
  }),
  loginLink: endpoint({
    method: "post",
    path: "/api/v1/login-links",
    summary: "a one-time login code for the console",
    caller: "person",
    result: z.object({ code: z.string() }),
  }),
} as const;

/** Server-sent events of the console: `event` is one of these, `data` says only what to look at again. */
export const liveEventsPath = "/api/v1/events";
export const LiveEvent = z.object({
  topic: z.enum(["fleet", "site", "node", "rollout", "build"]),
  id: z.string(),
});
export type LiveEvent = z.infer<typeof LiveEvent>;
export const healthPaths = { live: "/health/live", ready: "/health/ready" } as const;
