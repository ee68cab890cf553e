import type { Reason } from '../lib/close-reason.ts';
import { createHistogram, type Histogram } from '../lib/histogram.ts';

/** What the engine of a port has counted since it was made; checks are not in it. */
export interface EngineCounts {
  /** Connections that have a place: being dialled, held, or open. */
  readonly active: number;
  readonly total: number;
  /** Clients that wait for an upstream that is away. */
  readonly held: number;
  /** Clients that wait for a place, see `maxConnections`. */
  readonly waiting: number;
  readonly maxConnections: number;
  readonly bytesToUpstream: number;
  readonly bytesToClient: number;
  /** Failed tries at one address, by the system's code. */
  readonly dialFailures: Readonly<Record<string, number>>;
}

/** What finished connections add up to. */
export interface Tally {
  readonly byReason: Readonly<Partial<Record<Reason, number>>>;
  /** Of the tries that reached the upstream. */
  readonly connect: Histogram;
  /** From accept to the end, of all. */
  readonly duration: Histogram;
}

const CONNECT_BOUNDS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

const DURATION_BOUNDS_MS = [10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000];

/** Adds up; {@link Counter.tally} is a copy. */
export interface Counter {
  /** @param connectMs null when the upstream was not reached */
  add(reason: Reason, connectMs: number | null, totalMs: number): void;
  tally(): Tally;
}

export const createCounter = (): Counter => {
  const byReason = new Map<Reason, number>();
  const connect = createHistogram(CONNECT_BOUNDS_MS);
  const duration = createHistogram(DURATION_BOUNDS_MS);
  return {
    add: (reason, connectMs, totalMs) => {
      byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
      if (connectMs !== null) connect.add(connectMs);
      duration.add(totalMs);
    },
    tally: () => ({
      byReason: Object.fromEntries(byReason),
      connect: connect.read(),
      duration: duration.read(),
    }),
  };
};
