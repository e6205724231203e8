// The console's calls. Types come from the contract; its schemas stay out of the first chunk.
import type { FleetView, SiteView } from "@drover/shared/api/fleet-api";
import type { RolloutView } from "@drover/shared/api/rollout-api";
import type { Problem } from "@drover/shared/api/route";
import type { SiteId } from "@drover/shared/ids";
import type { SiteInRollout } from "@drover/shared/rollout/state";

/** The centre's refusal, in its own sentence. */
export class CallFailedError extends Error {
  readonly status: number;
  constructor(status: number, sentence: string) {
    super(sentence);
    this.name = "CallFailedError";
    this.status = status;
  }
}

/** A call without an answer by then failed; the page says so instead of waiting for ever. */
const answerMsMax = 15_000;

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  let answer: Response;
  try {
    const signal = AbortSignal.timeout(answerMsMax);
    answer = await fetch(path, { ...init, signal, credentials: "same-origin" });
  } catch {
    throw new CallFailedError(0, "the control plane does not answer");
  }
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.ok) return body as T;
  const problem = body as Partial<Problem> | undefined;
  throw new CallFailedError(
    answer.status,
    problem?.detail ?? `the control plane answered ${answer.status}`,
  );
}

const post = <T>(path: string, body: unknown): Promise<T> =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

export interface SiteStanding {
  readonly site: SiteId;
  readonly wave: number;
  readonly state: SiteInRollout;
  readonly because: readonly string[];
  readonly since: number;
}

export type StopWord = "pause" | "resume" | "halt";

export const api = {
  login: (code: string) => post<{ name: string }>("/api/v1/sessions", { code }),
  me: () => ask<{ name: string; roles: string[] }>("/api/v1/me"),
  fleet: () => ask<FleetView>("/api/v1/fleet"),
  sites: () => ask<{ items: SiteView[]; nextCursor: string | null }>("/api/v1/sites?limit=200"),
  rollouts: () => ask<{ items: RolloutView[] }>("/api/v1/rollouts"),
  rollout: (id: string) => ask<RolloutView>(`/api/v1/rollouts/${id}`),
  rolloutSites: (id: string) => ask<{ items: SiteStanding[] }>(`/api/v1/rollouts/${id}/sites`),
  stop: (id: string, word: StopWord, reason: string) =>
    post<RolloutView>(`/api/v1/rollouts/${id}/${word}`, { reason }),
};
