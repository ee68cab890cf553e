import { type Histogram, isCount, isCountRecord, isHistogram } from '../lib/histogram.ts';
import { type ConnectionStats, createStatsCollector, type EngineCounts } from '../proxy/connection-stats.ts';

/** The counts of a proxy that only grow while its process lives. */
export interface Totals
  extends ConnectionStats,
    Pick<EngineCounts, 'total' | 'bytesToUpstream' | 'bytesToClient' | 'connectFailures'> {
  /** User and system time, in milliseconds. */
  readonly cpuMs: number;
}

/**
 * The counts of all processes of a port, one after the other. They never go backwards. A process that shuts down in an
 * orderly way sends its last counts; of a process that was killed, the last report counts.
 */
export interface CounterTotals {
  /** The sum over the processes that have ended. */
  readonly previous: Totals;
  /** The last report of the last process. `processKey` differs for every process. */
  readonly current: { readonly processKey: string; readonly totals: Totals };
}

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

/** True for counts that can be added to, as a file of them should hold. */
export const isCounterTotals = (value: unknown): value is CounterTotals => {
  const { previous, current } = (value ?? {}) as Partial<CounterTotals>;
  return isTotals(previous) && typeof current?.processKey === 'string' && isTotals(current.totals);
};

const isTotals = (value: Partial<Totals> | undefined): boolean => {
  const { total, bytesToUpstream, bytesToClient, cpuMs, connectFailures, byReason, connect, duration } =
    value ?? {};
  return (
    [total, bytesToUpstream, bytesToClient, cpuMs].every(isCount) &&
    [connectFailures, byReason].every(isCountRecord) &&
    [connect, duration].every(isHistogram)
  );
};

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
