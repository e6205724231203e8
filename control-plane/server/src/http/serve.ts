// Serves one endpoint of the contract: who may call, what it must send, what it gets. Handlers see parsed
// values only.
import type { Endpoint } from "@drover/shared/api/route";
import type { SiteId } from "@drover/shared/ids";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { z } from "zod";
import {
  type CallerOptions,
  type Person,
  type Right,
  requirePerson,
  requireRight,
  requireSite,
} from "./callers.ts";
import { RequestError } from "./problem.ts";

/** JSON bodies are at most this large; release metadata is the largest. */
export const bodyBytesMax = 5 * 1024 * 1024;

/** A running request, for those who put the application together. */
export type RequestContext = Context;

/** The parts of an endpoint a handler is typed by. */
interface Served {
  readonly route: Endpoint["route"];
  readonly caller: Endpoint["caller"];
  readonly method: string;
  readonly path: string;
  readonly hasBody: boolean;
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType;
  readonly result: z.ZodType;
}

export interface Call<E extends Served> {
  readonly params: z.output<E["params"]>;
  readonly query: z.output<E["query"]>;
  readonly body: z.output<E["body"]>;
  readonly context: Context;
}
export type Handle<E extends Served, Who> = (
  call: Call<E>,
  who: Who,
) => Promise<z.input<E["result"]>>;

/** Registers endpoints on one app. */
export interface Server {
  anyone<E extends Served>(endpoint: E, handle: Handle<E, undefined>): void;
  person<E extends Served>(endpoint: E, right: Right, handle: Handle<E, Person>): void;
  site<E extends Served>(endpoint: E, handle: Handle<E, SiteId>): void;
}

export function serverFor(app: OpenAPIHono, callers: CallerOptions): Server {
  const register = <E extends Served, Who>(
    endpoint: E,
    who: (context: Context) => Promise<Who>,
    handle: Handle<E, Who>,
  ): void => {
    app.openAPIRegistry.registerPath(endpoint.route);
    const path = endpoint.path.replaceAll(/\{(\w+)\}/g, ":$1");
    app.on(endpoint.method.toUpperCase(), path, async (context) => {
      const caller = await who(context);
      const result = await handle(await readCall(endpoint, context), caller);
      return context.json(result as object, 200, { "cache-control": "no-store" });
    });
  };
  return {
    anyone: (endpoint, handle) => register(endpoint, async () => undefined, handle),
    person: (endpoint, right, handle) =>
      register(
        endpoint,
        async (context) => {
          const person = await requirePerson(context, callers);
          requireRight(person, right);
          return person;
        },
        handle,
      ),
    site: (endpoint, handle) =>
      register(endpoint, (context) => requireSite(context, callers), handle),
  };
}

async function readCall<E extends Served>(endpoint: E, context: Context): Promise<Call<E>> {
  const body = endpoint.hasBody ? await readJson(context) : {};
  return {
    params: parse(endpoint.params, context.req.param(), "path"),
    query: parse(endpoint.query, context.req.query(), "query"),
    body: parse(endpoint.body, body, "body"),
    context,
  } as Call<E>;
}

async function readJson(context: Context): Promise<unknown> {
  if (!/^application\/json\b/.test(context.req.header("content-type") ?? ""))
    throw new RequestError(415, "json-needed", "the request body must be application/json");
  const text = await context.req.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new RequestError(400, "json-broken", "the request body is not JSON");
  }
}

function parse(schema: z.ZodType, value: unknown, where: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const detail = z.prettifyError(parsed.error).slice(0, 1000);
  throw new RequestError(400, "request-invalid", `the ${where} of the request is wrong: ${detail}`);
}
