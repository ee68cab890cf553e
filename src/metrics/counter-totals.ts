import type { Histogram } from '../lib/histogram.ts';
import { type ConnectionStats, createStatsCollector, type EngineCounts } from '../proxy/connection-stats.ts';

/** What a proxy counts, and what only grows while its process lives. */
export interface Totals
  extends ConnectionStats,
    Pick<EngineCounts, 'total' | 'bytesToUpstream' | 'bytesToClient' | 'connectFailures'> {
  /** User and system time. */
  readonly cpuMs: number;
}

/**
 * What all processes of a port have counted, one after the other: it never goes backwards. A process that ends with a
 * goodbye has said its last numbers; of one that was killed, the last report counts.
 */
export interface CounterTotals {
  /** Of the processes that are no more. */
  readonly previous: Totals;
  /** What the last process has said last; `process` tells it from every other one. */
  readonly current: { readonly processKey: string; readonly totals: Totals };
}

const NO_TOTALS: Totals = {
  ...createStatsCollector().read(),
  ...{ total: 0, bytesToUpstream: 0, bytesToClient: 0, connectFailures: {}, cpuMs: 0 },
};

export const NO_COUNTS: CounterTotals = {
  previous: NO_TOTALS,
  current: { processKey: '', totals: NO_TOTALS },
};

/** One more report. */
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

/** Those of an earlier version with other bounds cannot be added, and begin anew. */
const addHistograms = (earlier: Histogram, later: Histogram): Histogram =>
  String(earlier.boundsMs) === String(later.boundsMs)
    ? {
        boundsMs: earlier.boundsMs,
        counts: earlier.counts.map((count, bucket) => count + (later.counts[bucket] ?? 0)),
        sumMs: earlier.sumMs + later.sumMs,
      }
    : later;
