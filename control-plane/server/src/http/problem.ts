// Every failure of a request becomes one problem document (RFC 9457) with a stable code; what was not
// expected is logged and told to the caller without its details.
import type { Problem } from "@drover/shared/api/route";
import { FleetError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";

/** A request that can't be answered with what it asked for. */
export class RequestError extends FleetError {
  readonly code: string;
  readonly status: ContentfulStatusCode;

  constructor(status: ContentfulStatusCode, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const notFound = (what: string): RequestError =>
  new RequestError(404, "not-found", `${what} is not known`);
export const conflict = (code: string, sentence: string): RequestError =>
  new RequestError(409, code, sentence);

/** Status of operational failures that come from further inside, by their code. */
const statusByCode: Readonly<Record<string, ContentfulStatusCode>> = {
  "unknown-subject": 404,
  "version-conflict": 409,
  "lease-lost": 503,
  "bus-unavailable": 503,
  "release-metadata-refused": 422,
  "content-digest-mismatch": 422,
  "content-too-large": 413,
  "content-store-full": 507,
  "plan-drifted": 409,
  "plan-refused": 422,
};

export function problemAnswer(context: Context, error: unknown, log: Log): Response {
  const problem = toProblem(error);
  if (problem.status >= 500) {
    const { method, path } = context.req;
    log.error({ error, method, path, code: problem.code }, "request failed");
  }
  return answer(context, problem);
}

export function answer(context: Context, problem: Problem): Response {
  return context.body(JSON.stringify(problem), problem.status as ContentfulStatusCode, {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
  });
}

export function toProblem(error: unknown): Problem {
  if (error instanceof RequestError) return problem(error.status, error.code, error.message);
  if (error instanceof HTTPException)
    return problem(error.status, "request-refused", error.message || "the request was refused");
  if (error instanceof FleetError && error.code in statusByCode)
    return problem(statusByCode[error.code] ?? 500, error.code, error.message);
  return problem(500, "internal", "the control plane failed to answer; its log says why");
}

function problem(status: number, code: string, detail: string): Problem {
  return { type: "about:blank", title: code.replaceAll("-", " "), status, detail, code };
}
