import type { Histogram } from '../lib/histogram.ts';
import { createCounter, type EngineCounts, type Tally } from '../proxy/connection-stats.ts';

/** What a proxy counts, and what only grows while its process lives. */
export interface Totals
  extends Tally,
    Pick<EngineCounts, 'total' | 'bytesToUpstream' | 'bytesToClient' | 'dialFailures'> {
  /** User and system time. */
  readonly cpuMs: number;
}

/**
 * What all processes of a port have counted, one after the other: it never goes backwards. A process that ends with a
 * goodbye has said its last numbers; of one that was killed, the last report counts.
 */
export interface Ledger {
  /** Of the processes that are no more. */
  readonly past: Totals;
  /** What the last process has said last; `process` tells it from every other one. */
  readonly last: { readonly process: string; readonly totals: Totals };
}

const NOTHING: Totals = {
  ...createCounter().tally(),
  ...{ total: 0, bytesToUpstream: 0, bytesToClient: 0, dialFailures: {}, cpuMs: 0 },
};

export const NEW_LEDGER: Ledger = { past: NOTHING, last: { process: '', totals: NOTHING } };

/** One more report. */
export const entered = (ledger: Ledger, process: string, totals: Totals): Ledger => ({
  past: process === ledger.last.process ? ledger.past : totalsOf(ledger),
  last: { process, totals },
});

export const totalsOf = ({ past, last: { totals } }: Ledger): Totals => ({
  total: past.total + totals.total,
  bytesToUpstream: past.bytesToUpstream + totals.bytesToUpstream,
  bytesToClient: past.bytesToClient + totals.bytesToClient,
  dialFailures: addAll(past.dialFailures, totals.dialFailures),
  byReason: addAll(past.byReason, totals.byReason),
  connect: addHistograms(past.connect, totals.connect),
  duration: addHistograms(past.duration, totals.duration),
  cpuMs: past.cpuMs + totals.cpuMs,
});

const addAll = <K extends string>(
  one: Readonly<Partial<Record<K, number>>>,
  other: Readonly<Partial<Record<K, number>>>,
): Record<K, number> => {
  const sum = { ...one } as Record<K, number>;
  for (const key of Object.keys(other) as K[]) sum[key] = (sum[key] ?? 0) + (other[key] ?? 0);
  return sum;
};

/** Those of an earlier version with other bounds cannot be added, and begin anew. */
const addHistograms = (one: Histogram, other: Histogram): Histogram =>
  String(one.boundsMs) === String(other.boundsMs)
    ? {
        boundsMs: one.boundsMs,
        counts: one.counts.map((count, bucket) => count + (other.counts[bucket] ?? 0)),
        sumMs: one.sumMs + other.sumMs,
      }
    : other;
