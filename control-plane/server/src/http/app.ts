// The HTTP application: every noun of the contract, one error form, security headers, health, metrics and the
// built console. It is made from ports only and needs no socket to be tested.
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { healthPaths } from "@drover/shared/api/session-api";
import type { Log } from "@drover/shared/log";
import { OpenAPIHono } from "@hono/zod-openapi";
import { bodyLimit } from "hono/body-limit";
import { routePath } from "hono/route";
import { type AgentOptions, serveAgents } from "./agents.ts";
import { type BuildOptions, serveBuilds } from "./builds.ts";
import { type CallerOptions, requirePerson } from "./callers.ts";
import { type ContentOptions, serveContent } from "./content.ts";
import { type LiveDesk, serveLive } from "./live.ts";
import type { Metrics } from "./metrics.ts";
import { type NodeOptions, serveNodes } from "./nodes.ts";
import { answer, notFound, problemAnswer, toProblem } from "./problem.ts";
import { type ReleaseOptions, serveReleases } from "./releases.ts";
import { type RolloutOptions, serveRollouts } from "./rollouts.ts";
import { bodyBytesMax, serverFor } from "./serve.ts";
import { serveSessions } from "./sessions.ts";
import { type SiteOptions, serveSites } from "./sites.ts";
import { serveWhy, type WhyOptions } from "./why.ts";

export interface AppOptions {
  readonly callers: CallerOptions;
  readonly agents: AgentOptions;
  readonly sessions: Parameters<typeof serveSessions>[1];
  readonly sites: SiteOptions;
  readonly nodes: NodeOptions;
  readonly releases: ReleaseOptions;
  readonly builds: BuildOptions;
  readonly rollouts: RolloutOptions;
  readonly why: WhyOptions;
  readonly content: Omit<ContentOptions, "callers">;
  readonly live: LiveDesk;
  readonly metrics: Metrics;
  /** Parts that are not ready yet; empty when all are. */
  notReady(): Promise<readonly string[]>;
  /** Folder of the built console; its absence is no error. */
  readonly consoleFolder: string;
  readonly version: string;
  readonly log: Log;
  readonly now: () => number;
}

export function createApp(options: AppOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  app.onError((error, context) => problemAnswer(context, error, options.log));
  app.notFound((context) => answer(context, toProblem(notFound(`the path ${context.req.path}`))));
  useGuards(app, options);
  const server = serverFor(app, options.callers);
  serveAgents(server, options.agents);
  serveSessions(server, options.sessions);
  serveSites(server, options.sites);
  serveNodes(server, options.nodes);
  serveReleases(server, options.releases);
  serveBuilds(server, options.builds);
  serveRollouts(server, options.rollouts);
  serveWhy(server, options.why);
  serveContent(app, { ...options.content, callers: options.callers });
  serveLive(app, { desk: options.live, callers: options.callers });
  serveHealth(app, options);
  app.doc31("/api/v1/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Drover control plane", version: options.version },
  });
  serveConsole(app, options.consoleFolder);
  return app;
}

function useGuards(app: OpenAPIHono, options: AppOptions): void {
  const jsonLimit = bodyLimit({ maxSize: bodyBytesMax });
  app.use(async (context, next) => {
    const startedAt = options.now();
    await next();
    context.res.headers.set("x-content-type-options", "nosniff");
    context.res.headers.set("referrer-policy", "no-referrer");
    context.res.headers.set("strict-transport-security", "max-age=31536000");
    const route = routePath(context, -1);
    const { method } = context.req;
    const seconds = (options.now() - startedAt) / 1000;
    options.metrics.request({ method, route, status: context.res.status }, seconds);
  });
  // Content has its own bound and is streamed; everything else is small and JSON.
  app.use((context, next) =>
    context.req.path.startsWith("/content/") ? next() : jsonLimit(context, next),
  );
}

function serveHealth(app: OpenAPIHono, options: AppOptions): void {
  app.get(healthPaths.live, (context) => context.json({ live: true }));
  app.get(healthPaths.ready, async (context) => {
    const waitingFor = await options.notReady();
    return context.json(
      { ready: waitingFor.length === 0, waitingFor },
      waitingFor.length === 0 ? 200 : 503,
    );
  });
  // Figures tell about the fleet, so they need an access token like everything else.
  app.get("/metrics", async (context) => {
    await requirePerson(context, options.callers);
    return context.text(await options.metrics.text());
  });
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".map": "application/json",
};

const consolePolicy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Files of the console; every other page path is the console itself, which routes in the browser. */
function serveConsole(app: OpenAPIHono, folder: string): void {
  app.get("*", async (context) => {
    const { path } = context.req;
    if (/^\/(api|agent|content|pointer|health)\//.test(path)) throw notFound(`the path ${path}`);
    const wanted = normalize(path).replace(/^(\.\.(\/|$))+/, "");
    const file = extname(wanted) === "" ? "/index.html" : wanted;
    const bytes = await readFile(join(folder, file)).catch(() => undefined);
    if (bytes === undefined) {
      if (file !== "/index.html") throw notFound(`the path ${path}`);
      return context.text("Drover control plane. The console is not built: run `npm run build`.\n");
    }
    const isHashed = path.startsWith("/assets/");
    return context.body(new Uint8Array(bytes), 200, {
      "content-type": contentTypes[extname(file)] ?? "application/octet-stream",
      "cache-control": isHashed ? "public, max-age=31536000, immutable" : "no-cache",
      "content-security-policy": consolePolicy,
    });
  });
}
