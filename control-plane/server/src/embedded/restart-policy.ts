// When a child that died may be started again. Pure: bounded tries within a sliding window, so that a
// service that can't stay up ends in one report, not in a busy loop.

export interface RestartPolicy {
  readonly triesMax: number;
  readonly windowMs: number;
  readonly firstDelayMs: number;
  readonly delayMsMax: number;
}

export const defaultRestartPolicy: RestartPolicy = {
  triesMax: 6,
  windowMs: 120_000,
  firstDelayMs: 200,
  delayMsMax: 10_000,
};

export type RestartDecision =
  | { readonly kind: "restart"; readonly delayMs: number; readonly because: readonly string[] }
  | { readonly kind: "give-up"; readonly because: readonly string[] };

/** `diedAt` are the times of all deaths so far, this one included, in epoch ms. */
export function decideRestart(
  policy: RestartPolicy,
  diedAt: readonly number[],
  now: number,
): RestartDecision {
  const recent = diedAt.filter((at) => now - at < policy.windowMs).length;
  const seconds = policy.windowMs / 1000;
  if (recent > policy.triesMax) {
    return { kind: "give-up", because: [`it died ${recent} times within ${seconds} s`] };
  }
  const delayMs = Math.min(policy.delayMsMax, policy.firstDelayMs * 2 ** Math.max(0, recent - 1));
  return { kind: "restart", delayMs, because: [`death ${recent} within ${seconds} s`] };
}
