// The result of every pure state machine: the next state, what to do, and why.

/** One decision: `effects` are named and idempotent, `because` is filled even when nothing happens. */
export interface Step<State, Effect> {
  readonly state: State;
  readonly effects: readonly Effect[];
  readonly because: readonly string[];
}

/** Nothing changes; `because` says why not. */
export function stay<State>(state: State, ...because: string[]): Step<State, never> {
  return { state, effects: [], because };
}
