import type { Histogram } from './histogram-schema.ts';

/** A new histogram with one more duration; see {@link createHistogramRecorder} for many of them. */
export const addDuration = (histogram: Histogram, durationMs: number): Histogram => {
  const bucket = bucketOf(histogram.boundsMs, durationMs);
  return {
    ...histogram,
    counts: histogram.counts.map((count, index) => (index === bucket ? count + 1 : count)),
    sumMs: histogram.sumMs + durationMs,
  };
};

/** A histogram without durations. */
export const emptyHistogram = (boundsMs: readonly number[]): Histogram => ({
  boundsMs,
  counts: [...boundsMs.map(() => 0), 0],
  sumMs: 0,
});

/** The index of the duration's bucket in {@link Histogram.counts}. */
const bucketOf = (boundsMs: readonly number[], durationMs: number): number => {
  let bucket = 0;
  while (bucket < boundsMs.length && durationMs > (boundsMs[bucket] ?? 0)) bucket += 1;
  return bucket;
};

/** Counts durations in place, without a new object for each. */
export const createHistogramRecorder = (boundsMs: readonly number[]) => {
  const counts = [...boundsMs.map(() => 0), 0];
  let sumMs = 0;
  return {
    add: (durationMs: number): void => {
      const bucket = bucketOf(boundsMs, durationMs);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      sumMs += durationMs;
    },
    read: (): Histogram => ({ boundsMs, counts: [...counts], sumMs }),
  };
};
