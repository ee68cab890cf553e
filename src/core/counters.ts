import type { Reason } from './reasons.ts';

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

/** How often a duration was up to each bound, in milliseconds; the last count is for those above all bounds. */
export interface Histogram {
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
  readonly sumMs: number;
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

export const newTally = (): Tally => ({
  byReason: {},
  connect: newHistogram(CONNECT_BOUNDS_MS),
  duration: newHistogram(DURATION_BOUNDS_MS),
});

/** @param connectMs null when the upstream was not reached */
export const tallied = (tally: Tally, reason: Reason, connectMs: number | null, totalMs: number): Tally => ({
  byReason: { ...tally.byReason, [reason]: (tally.byReason[reason] ?? 0) + 1 },
  connect: connectMs === null ? tally.connect : observed(tally.connect, connectMs),
  duration: observed(tally.duration, totalMs),
});

const newHistogram = (boundsMs: readonly number[]): Histogram => ({
  boundsMs,
  counts: [...boundsMs.map(() => 0), 0],
  sumMs: 0,
});

const observed = (histogram: Histogram, ms: number): Histogram => {
  const bucket = histogram.boundsMs.findIndex((bound) => ms <= bound);
  const hit = bucket < 0 ? histogram.boundsMs.length : bucket;
  return {
    ...histogram,
    counts: histogram.counts.map((count, index) => (index === hit ? count + 1 : count)),
    sumMs: histogram.sumMs + ms,
  };
};
