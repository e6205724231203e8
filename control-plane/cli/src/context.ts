// What every command gets: the caller, the output, and how to wait. Built once in main.
import { type CallInput, call, type Send } from "@drover/shared/api/client";
import type { z } from "zod";
import { type Output, show } from "./output.ts";

type Callable = Parameters<typeof call>[1];

export interface Context {
  readonly output: Output;
  /** Calls an endpoint of the contract. */
  ask<E extends Callable>(endpoint: E, input?: CallInput<E>): Promise<z.infer<E["result"]>>;
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

export function contextOf(send: Send, output: Output): Context {
  return {
    output,
    ask: (endpoint, input) => call(send, endpoint, input),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };
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
