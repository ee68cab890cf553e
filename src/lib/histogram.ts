/** Durations, counted by how long they were. */
export interface Histogram {
  /** The upper bounds of the buckets, rising; a duration equal to a bound belongs to its bucket. */
  readonly boundsMs: readonly number[];
  /** The number of durations in each bucket; the last one is for those above all bounds. */
  readonly counts: readonly number[];
  /** The sum of all durations. */
  readonly sumMs: number;
}

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

/** True for a histogram whose counts fit its bounds, whoever it comes from. */
export const isHistogram = (value: unknown): value is Histogram => {
  const { boundsMs, counts, sumMs } = (value ?? {}) as Partial<Histogram>;
  return isCounts(boundsMs) && isCounts(counts) && counts.length === boundsMs.length + 1 && isCount(sumMs);
};

const isCounts = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isCount);

/** True for a finite number from 0. */
export const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** True for an object whose values are counts, by any key. */
export const isCountRecord = (value: unknown): value is Readonly<Record<string, number>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isCount);
