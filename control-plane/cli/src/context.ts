// What every command gets: the caller, the output, and how to wait. Built once in main.
import { ApiProblemError, type CallInput, call } from "@drover/shared/api/client";
import { Problem } from "@drover/shared/api/route";
import type { z } from "zod";
import type { Put, Wire } from "./connection.ts";
import { type Output, show } from "./output.ts";

type Callable = Parameters<typeof call>[1];

export interface Context {
  readonly output: Output;
  /** Calls an endpoint of the contract. */
  ask<E extends Callable>(endpoint: E, input?: CallInput<E>): Promise<z.infer<E["result"]>>;
  /** Puts bytes of content; throws the centre's own sentence when it refuses them. */
  put(input: Parameters<Put>[0]): Promise<void>;
  /** Waits between two looks at something that takes time. */
  pause(ms: number): Promise<void>;
}

/** Ends the program with `exitCode` after printing the sentence. */
export class ExitError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, sentence: string) {
    super(sentence);
    this.exitCode = exitCode;
  }
}

/** Exit codes beside 0; documented in `drover --help`. */
export const exitCodes = { failed: 1, usage: 2, halted: 3, cancelled: 4 } as const;

export function contextOf(wire: Wire, output: Output): Context {
  return {
    output,
    ask: (endpoint, input) => call(wire.send, endpoint, input),
    async put(input) {
      const { status, text } = await wire.put(input);
      if (status < 400) return;
      const problem = Problem.safeParse(readJson(text));
      if (problem.success) throw new ApiProblemError(problem.data);
      throw new ExitError(exitCodes.failed, `putting ${input.path} failed with status ${status}`);
    },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Asks and prints the answer: what most commands are. */
export async function answer<E extends Callable>(
  context: Context,
  endpoint: E,
  input: CallInput<E>,
  forPeople: (result: z.infer<E["result"]>) => readonly string[],
): Promise<void> {
  show(context.output, await context.ask(endpoint, input), forPeople);
}
