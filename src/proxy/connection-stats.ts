import type { CloseReason } from '../lib/close-reason.ts';
import { createHistogramRecorder } from '../lib/histogram.ts';
import type { ConnectionStats } from './report.ts';

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
