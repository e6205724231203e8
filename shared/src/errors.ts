// The root of every operational failure, and the assertion for bugs. A failure carries a stable,
// greppable code; its message says in one sentence what was being attempted.

/** An operational failure. Branch on `code`, never on the message. */
export abstract class FleetError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A broken assumption inside our own code: a bug, never an expected condition. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "InvariantError";
  }
}

/** Throws {@link InvariantError} unless `condition` holds. `sentence` states the rule. */
export function invariant(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new InvariantError(sentence);
}

/** Marks a branch the compiler has proved unreachable. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected variant: ${JSON.stringify(value)}`);
}

/** One line for people: the message of a failure followed by the messages of its causes. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  while (current !== undefined && parts.length < 5) {
    const text = current instanceof Error ? current.message : String(current);
    parts.push(text.replace(/\s+/g, " ").slice(0, 600));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ");
}
