import type { CloseReason } from '../lib/close-reason.ts';
import { createHistogramRecorder, type Histogram } from '../lib/histogram.ts';

/** What the engine of a port has counted since it was made; checks are not in it. */
export interface EngineCounts {
  /** Connections that have a place: being dialled, held, or open. */
  readonly active: number;
  readonly total: number;
  /** Clients that wait for an upstream that is away. */
  readonly waitingForUpstream: number;
  /** Clients that wait for a place, see `maxConnections`. */
  readonly waitingForSlot: number;
  readonly maxConnections: number;
  readonly bytesToUpstream: number;
  readonly bytesToClient: number;
  /** Failed tries at one address, by the system's code. */
  readonly connectFailures: Readonly<Record<string, number>>;
}

/** What finished connections add up to. */
export interface ConnectionStats {
  readonly byReason: Readonly<Partial<Record<CloseReason, number>>>;
  /** Of the tries that reached the upstream. */
  readonly connect: Histogram;
  /** From accept to the end, of all. */
  readonly duration: Histogram;
}

const CONNECT_BUCKETS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

const DURATION_BUCKETS_MS = [10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000];

/** Adds up; {@link StatsCollector.read} is a copy. */
export interface StatsCollector {
  /** @param connectMs null when the upstream was not reached */
  add(reason: CloseReason, connectMs: number | null, totalMs: number): void;
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
