// A typed caller for the contract: checks the request before sending and the response after. The way
// bytes travel is given by the caller of this module.
import type { z } from "zod";
import { FleetError } from "../errors.ts";
import { Problem } from "./route.ts";

/** Sends one request; throws when nothing answered. */
export type Send = (request: {
  method: string;
  path: string;
  body?: string;
  headers: Record<string, string>;
}) => Promise<{ status: number; text: string }>;

/** The centre said no; `problem` is its own sentence. */
export class ApiProblemError extends FleetError {
  readonly code = "api-problem";
  readonly status: number;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.problem = problem;
  }
}

/** Something other than the contract's answer came back. */
export class ApiAnswerError extends FleetError {
  readonly code = "api-answer-unexpected";
}

interface Callable {
  readonly method: string;
  readonly path: string;
  readonly hasBody: boolean;
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType;
  readonly result: z.ZodType;
}

export interface CallInput<E extends Callable> {
  readonly params?: z.input<E["params"]>;
  readonly query?: z.input<E["query"]>;
  readonly body?: z.input<E["body"]>;
}

function pathOf(endpoint: Callable, input: CallInput<Callable>): string {
  let path = endpoint.path;
  for (const [name, value] of Object.entries((input.params ?? {}) as Record<string, unknown>)) {
    path = path.replace(`{${name}}`, encodeURIComponent(String(value)));
  }
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries((input.query ?? {}) as Record<string, unknown>)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Calls one endpoint of the contract. */
export async function call<E extends Callable>(
  send: Send,
  endpoint: E,
  input: CallInput<E> = {},
): Promise<z.infer<E["result"]>> {
  const body = endpoint.hasBody ? JSON.stringify(endpoint.body.parse(input.body ?? {})) : undefined;
  const answer = await send({
    method: endpoint.method.toUpperCase(),
    path: pathOf(endpoint, input),
    headers: body === undefined ? {} : { "content-type": "application/json" },
    ...(body === undefined ? {} : { body }),
  });
  let json: unknown;
  try {
    json = JSON.parse(answer.text);
  } catch (cause) {
    throw new ApiAnswerError(
      `the answer to ${endpoint.method} ${endpoint.path} (${answer.status}) is not JSON`,
      { cause },
    );
  }
  if (answer.status >= 400) {
    const problem = Problem.safeParse(json);
    throw problem.success
      ? new ApiProblemError(problem.data)
      : new ApiAnswerError(
          `${endpoint.method} ${endpoint.path} failed with status ${answer.status}`,
        );
  }
  const result = endpoint.result.safeParse(json);
  if (!result.success)
    throw new ApiAnswerError(
      `the answer to ${endpoint.method} ${endpoint.path} does not fit the contract`,
      { cause: result.error },
    );
  return result.data as z.infer<E["result"]>;
}
