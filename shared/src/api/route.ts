// How one HTTP endpoint is written down: method, path, who may call it, and the schemas of request and
// response. Server validation, OpenAPI and the typed client all come from these.
import { createRoute, z } from "@hono/zod-openapi";

/** RFC 9457 problem details; `code` is stable. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
});
export type Problem = z.infer<typeof Problem>;

/** Who may call: nobody in particular, a logged-in person or token, or a site with its bearer. */
export type Caller = "anyone" | "person" | "site";

const problemResponse = {
  content: { "application/problem+json": { schema: Problem } },
  description: "what went wrong, in one sentence",
};

interface EndpointParts<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Result extends z.ZodType,
> {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  readonly path: string;
  readonly summary: string;
  readonly caller: Caller;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly result: Result;
}

const none = z.object({});
type None = typeof none;

/** Declares one JSON endpoint. */
export function endpoint<
  Result extends z.ZodType,
  Params extends z.ZodObject = None,
  Query extends z.ZodObject = None,
  Body extends z.ZodType = None,
>(parts: EndpointParts<Params, Query, Body, Result>) {
  const params = (parts.params ?? none) as Params;
  const query = (parts.query ?? none) as Query;
  const body = (parts.body ?? none) as Body;
  const route = createRoute({
    method: parts.method,
    path: parts.path,
    summary: parts.summary,
    ...(parts.caller === "anyone" ? {} : { security: [{ [parts.caller]: [] }] }),
    request: {
      params,
      query,
      ...(parts.body
        ? { body: { required: true, content: { "application/json": { schema: body } } } }
        : {}),
    },
    responses: {
      200: {
        content: { "application/json": { schema: parts.result } },
        description: parts.summary,
      },
      default: problemResponse,
    },
  });
  return {
    route,
    caller: parts.caller,
    method: parts.method,
    path: parts.path,
    params,
    query,
    body,
    result: parts.result,
    hasBody: parts.body !== undefined,
  };
}

export type Endpoint = ReturnType<typeof endpoint<z.ZodType, z.ZodObject, z.ZodObject, z.ZodType>>;
