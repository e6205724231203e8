// Bounds how often one address may try to log in or enrol. Memory is bounded too: the oldest addresses are
// forgotten first.

export interface RateLimit {
  /** True when this try is allowed; it is counted either way. */
  allow(key: string, now: number): boolean;
}

/** At most `triesMax` per `windowMs` and key. */
export function rateLimit(options: {
  triesMax: number;
  windowMs: number;
  keysMax?: number;
}): RateLimit {
  const windows = new Map<string, { startedAt: number; tries: number }>();
  return {
    allow(key, now) {
      const known = windows.get(key);
      const current =
        known && now - known.startedAt < options.windowMs ? known : { startedAt: now, tries: 0 };
      current.tries += 1;
      windows.delete(key);
      windows.set(key, current);
      const oldest = windows.keys().next().value;
      if (windows.size > (options.keysMax ?? 10_000) && oldest !== undefined)
        windows.delete(oldest);
      return current.tries <= options.triesMax;
    },
  };
}
