import type { CloseReason } from '../lib/close-reason.ts';
import { createHistogramRecorder, type Histogram } from '../lib/histogram.ts';

/** The counts of one port's engine since the engine was made, without the monitor's checks. */
export interface EngineCounts {
  /** Connections that have a slot: being dialled, held, or open. */
  readonly active: number;
  readonly total: number;
  /** Clients that wait for an upstream that refuses connections. */
  readonly waitingForUpstream: number;
  /** Clients that wait for a slot, see `maxConnections`. */
  readonly waitingForSlot: number;
  readonly maxConnections: number;
  readonly bytesToUpstream: number;
  readonly bytesToClient: number;
  /** Failed tries at one address, by the system's error code. */
  readonly connectFailures: Readonly<Record<string, number>>;
}

/** The totals of finished connections. */
export interface ConnectionStats {
  readonly byReason: Readonly<Partial<Record<CloseReason, number>>>;
  /** The time of each try that reached the upstream. */
  readonly connect: Histogram;
  /** The time from accept to the end, of every connection. */
  readonly duration: Histogram;
}

const CONNECT_BUCKETS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

const DURATION_BUCKETS_MS = [10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000];

/** Adds finished connections up. */
export interface StatsCollector {
  /** @param connectMs null when the upstream was not reached */
  add(reason: CloseReason, connectMs: number | null, totalMs: number): void;
  /** A copy, which later calls of `add` do not change. */
  read(): ConnectionStats;
}

export const createStatsCollector = (): StatsCollector => {
  const byReason = new Map<CloseReason, number>();
  const connect = createHistogramRecorder(CONNECT_BUCKETS_MS);
  const duration = createHistogramRecorder(DURATION_BUCKETS_MS);
  return {
    add: (reason, connectMs, totalMs) => {
      byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
      if (connectMs !== null) connect.add(connectMs);
      duration.add(totalMs);
    },
    read: () => ({
      byReason: Object.fromEntries(byReason),
      connect: connect.read(),
      duration: duration.read(),
    }),
  };
};
