import * as v from 'valibot';
import { count, fields, listOf } from './stored-fields.ts';

/** Apart from histogram.ts, which every proxy loads. */
export const histogramSchema = v.pipe(
  fields({
    /** The upper bounds of the buckets, rising; a duration equal to a bound belongs to its bucket. */
    boundsMs: listOf(count),
    /** The number of durations in each bucket; the last one is for those above all bounds. */
    counts: listOf(count),
    /** The sum of all durations. */
    sumMs: count,
  }),
  v.check(
    ({ boundsMs, counts }) => counts.length === boundsMs.length + 1,
    'a histogram with one count more than bounds',
  ),
);

/** Durations, counted by how long they were. */
export type Histogram = v.InferOutput<typeof histogramSchema>;
