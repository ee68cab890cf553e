import type * as v from 'valibot';
import type { Histogram } from '../lib/histogram-schema.ts';
import { count, fields, text } from '../lib/stored-fields.ts';
import { createStatsCollector } from '../proxy/connection-stats.ts';
import { connectionStatsSchema, engineCountsSchema } from '../proxy/report.ts';

const { total, bytesToUpstream, bytesToClient, connectFailures } = engineCountsSchema.entries;

const totalsSchema = fields({
  ...connectionStatsSchema.entries,
  total,
  bytesToUpstream,
  bytesToClient,
  connectFailures,
  /** User and system time, in milliseconds. */
  cpuMs: count,
});

/** The counts of a proxy that only grow while its process lives. */
export type Totals = v.InferOutput<typeof totalsSchema>;

export const counterTotalsSchema = fields({
  /** The sum over the processes that have ended. */
  previous: totalsSchema,
  /** The last report of the last process. `processKey` differs for every process; empty: there was none yet. */
  current: fields({ processKey: text, totals: totalsSchema }),
});

/**
 * The counts of all processes of a port, one after the other. They never go backwards. A process that shuts down in an
 * orderly way sends its last counts; of a process that was killed, the last report counts.
 */
export type CounterTotals = v.InferOutput<typeof counterTotalsSchema>;

const NO_TOTALS: Totals = {
  ...createStatsCollector().read(),
  total: 0,
  bytesToUpstream: 0,
  bytesToClient: 0,
  connectFailures: {},
  cpuMs: 0,
};

export const NO_COUNTS: CounterTotals = {
  previous: NO_TOTALS,
  current: { processKey: '', totals: NO_TOTALS },
};

/** Adds a report: it replaces the previous one of the same process, or begins the counts of a new process. */
export const addReport = (counters: CounterTotals, processKey: string, totals: Totals): CounterTotals => ({
  previous: processKey === counters.current.processKey ? counters.previous : totalsOf(counters),
  current: { processKey, totals },
});

export const totalsOf = ({ previous, current: { totals } }: CounterTotals): Totals => ({
  total: previous.total + totals.total,
  bytesToUpstream: previous.bytesToUpstream + totals.bytesToUpstream,
  bytesToClient: previous.bytesToClient + totals.bytesToClient,
  connectFailures: addAll(previous.connectFailures, totals.connectFailures),
  byReason: addAll(previous.byReason, totals.byReason),
  connect: addHistograms(previous.connect, totals.connect),
  duration: addHistograms(previous.duration, totals.duration),
  cpuMs: previous.cpuMs + totals.cpuMs,
});

const addAll = <K extends string>(
  a: Readonly<Partial<Record<K, number>>>,
  b: Readonly<Partial<Record<K, number>>>,
): Record<K, number> => {
  const sum = { ...a } as Record<K, number>;
  for (const key of Object.keys(b) as K[]) sum[key] = (sum[key] ?? 0) + (b[key] ?? 0);
  return sum;
};

/** Histograms with other bounds, from an earlier version, cannot be added: the sum begins anew with the later one. */
const addHistograms = (earlier: Histogram, later: Histogram): Histogram =>
  String(earlier.boundsMs) === String(later.boundsMs)
    ? {
        boundsMs: earlier.boundsMs,
        counts: earlier.counts.map((count, bucket) => count + (later.counts[bucket] ?? 0)),
        sumMs: earlier.sumMs + later.sumMs,
      }
    : later;
