/** How often a duration was up to each bound, in milliseconds; the last count is for those above all bounds. */
export interface Histogram {
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** One more duration. */
export const observed = (histogram: Histogram, ms: number): Histogram => {
  const bucket = bucketOf(histogram.boundsMs, ms);
  return {
    ...histogram,
    counts: histogram.counts.map((count, at) => (at === bucket ? count + 1 : count)),
    sumMs: histogram.sumMs + ms,
  };
};

export const emptyHistogram = (boundsMs: readonly number[]): Histogram => ({
  boundsMs,
  counts: [...boundsMs.map(() => 0), 0],
  sumMs: 0,
});

const bucketOf = (boundsMs: readonly number[], ms: number): number => {
  let bucket = 0;
  while (bucket < boundsMs.length && ms > (boundsMs[bucket] ?? 0)) bucket += 1;
  return bucket;
};

export const createHistogram = (boundsMs: readonly number[]) => {
  const counts = [...boundsMs.map(() => 0), 0];
  let sumMs = 0;
  return {
    add: (ms: number): void => {
      const bucket = bucketOf(boundsMs, ms);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      sumMs += ms;
    },
    read: (): Histogram => ({ boundsMs, counts: [...counts], sumMs }),
  };
};
