// Tells the story step by step: what is being done, how far it is, how long it took. A step that does
// not come out as it must ends the story with the first failure.
import { describeError } from "@drover/shared/errors";

/** An outcome that is not what the story promises. */
export class StoryError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = "StoryError";
  }
}

/** Throws {@link StoryError} unless `condition` holds; `sentence` says what was expected and seen. */
export function must(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new StoryError(sentence);
}

export interface StepTime {
  readonly title: string;
  readonly ms: number;
}

export interface StoryLog {
  /** Runs one step; `progress` replaces the line that says how far it is. */
  step<T>(title: string, run: (progress: (text: string) => void) => Promise<T>): Promise<T>;
  /** A line about something outside the steps. */
  note(text: string): void;
  readonly times: readonly StepTime[];
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** `write` prints one line. Progress is printed when it changes, at most every two seconds. */
export function storyLog(write: (line: string) => void, now: () => number): StoryLog {
  const times: StepTime[] = [];
  return {
    times,
    note: (text) => write(`      ${text}`),
    async step(title, run) {
      const number = String(times.length + 1).padStart(2);
      const startedAt = now();
      let toldAt = startedAt;
      let told = "";
      write(`[${number}] ${title}`);
      const progress = (text: string): void => {
        if (text === told || now() - toldAt < 2000) return;
        told = text;
        toldAt = now();
        write(`     … ${seconds(now() - startedAt)}  ${text}`);
      };
      try {
        const result = await run(progress);
        times.push({ title, ms: now() - startedAt });
        write(`     done in ${seconds(now() - startedAt)}`);
        return result;
      } catch (error) {
        write(`     FAILED after ${seconds(now() - startedAt)}: ${describeError(error)}`);
        throw error;
      }
    },
  };
}

/** Looks until `look` gives something; the deadline's sentence names what was last seen. */
export async function until<T>(
  what: string,
  look: (seen: (text: string) => void) => Promise<T | undefined>,
  options: {
    readonly withinMs: number;
    readonly everyMs?: number;
    readonly progress?: (text: string) => void;
  },
): Promise<T> {
  const startedAt = Date.now();
  let last = "nothing yet";
  for (;;) {
    const found = await look((text) => {
      last = text;
      options.progress?.(text);
    });
    if (found !== undefined) return found;
    if (Date.now() - startedAt > options.withinMs) {
      throw new StoryError(`waited ${seconds(options.withinMs)} for ${what}; last seen: ${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 500));
  }
}
