/** "350 ms", "2.0 s", "5 min". */
export const formatSeconds = (ms: number): string =>
  ms < 1_000 ? `${ms} ms` : ms < 90_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;

/** Less than `spanMs` apart. What is further ahead than that is of a time before the clock was set back, and over too. */
export const isWithin = (sinceMs: number, atMs: number, spanMs: number): boolean =>
  Math.abs(atMs - sinceMs) < spanMs;
