/** "350 ms", "2.0 s", "5 min". */
export const formatSeconds = (ms: number): string =>
  ms < 1_000 ? `${ms} ms` : ms < 90_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
