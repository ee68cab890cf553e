/** "350 ms", "2.0 s", "5 min". */
export const formatDuration = (durationMs: number): string =>
  durationMs < 1_000
    ? `${durationMs} ms`
    : durationMs < 90_000
      ? `${(durationMs / 1_000).toFixed(1)} s`
      : `${Math.round(durationMs / 60_000)} min`;

/** Less than `spanMs` apart. What is further ahead than that is of a time before the clock was set back, and over too. */
export const isWithin = (since: number, now: number, windowMs: number): boolean =>
  Math.abs(now - since) < windowMs;
