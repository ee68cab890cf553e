import { emptyHistogram, type Histogram } from '../lib/histogram.ts';
import { type Breaker, CLOSED } from './circuit-breaker.ts';
import type { Cause, Cure } from './types.ts';

export type ProxyState = 'up' | 'degraded' | 'down' | 'starting' | 'stopped' | 'waiting' | 'not_needed';

/** From the first failure until `successThreshold` successes. */
export interface Incident {
  readonly atMs: number;
  readonly pid: number | null;
  /** The latest cause. */
  readonly cause: Cause;
  readonly cures: readonly Cure[];
  readonly alerted: boolean;
  /** The proxy was at fault for a part of it: what its recovery time is measured of. */
  readonly isOwn: boolean;
  /** The first of the successes so far; null after a failure. */
  readonly backAtMs: number | null;
}

/** An incident that is over. */
export interface PastIncident {
  readonly fromMs: number;
  readonly toMs: number;
  readonly cause: Cause;
  readonly cures: readonly Cure[];
  readonly alerted: boolean;
  /** It was a fault of the proxy's own, and another process has its place since. */
  readonly restarted: boolean;
}

/** What the monitor remembers of a port; kept over its restarts. Times are wall-clock milliseconds. */
export interface Health {
  readonly state: ProxyState;
  readonly cause: Cause | null;
  readonly sinceMs: number;
  /** The first look ever: what the uptime is counted from. */
  readonly firstMs: number;
  /** The incidents that are over, added up. */
  readonly downMs: number;
  /** The last {@link MOST_HISTORY}, oldest first. */
  readonly history: readonly PastIncident[];
  readonly pid: number | null;
  /** When that process was first seen. */
  readonly bornMs: number;
  /**
   * `consecutive` begins anew with a restart, with another process, and where the fault goes over from the proxy to
   * what is around it or back; `sinceHealthy` only with `successThreshold` successes.
   */
  readonly failures: { readonly consecutive: number; readonly sinceHealthy: number; readonly total: number };
  readonly successes: number;
  readonly restarts: { readonly crash: number; readonly forced: number };
  /** The forced ones, by what they were to cure. */
  readonly forcedFor: Readonly<Partial<Record<Cause, number>>>;
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly totalMs: number };
  /** How long those took. */
  readonly recoveries: Histogram;
  /** The process whose crash was counted last: it may be seen twice, by its socket and by PM2's list. */
  readonly crashedPid: number | null;
  /** The process that was killed because it did not leave: once is enough. */
  readonly killedPid: number | null;
  /** The crashes that may make a loop. */
  readonly crashesMs: readonly number[];
  readonly incident: Incident | null;
  /** Until then a restarted proxy may still be on its way: its failures do not count. */
  readonly graceUntilMs: number;
  /** It said goodbye and no other process has taken its place yet: to be gone is no failure within the grace. */
  readonly hasLeft: boolean;
  readonly breaker: Breaker;
  /** What is over a limit that only warns. */
  readonly warnings: readonly Cause[];
}

/** So many incidents are kept, and so many cures of each. */
export const MOST_HISTORY = 20;

const RECOVERY_BOUNDS_MS = [250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000];

export const newHealth = (atMs: number): Health => ({
  state: 'starting',
  cause: null,
  sinceMs: atMs,
  firstMs: atMs,
  downMs: 0,
  history: [],
  pid: null,
  bornMs: atMs,
  failures: { consecutive: 0, sinceHealthy: 0, total: 0 },
  successes: 0,
  restarts: { crash: 0, forced: 0 },
  forcedFor: {},
  crashedPid: null,
  killedPid: null,
  crashesMs: [],
  recovery: { count: 0, lastMs: 0, totalMs: 0 },
  recoveries: emptyHistogram(RECOVERY_BOUNDS_MS),
  incident: null,
  graceUntilMs: atMs + GRACE_MS,
  hasLeft: false,
  breaker: CLOSED,
  warnings: [],
});

/** What is on its way has so long: PM2's listen_timeout. */
export const GRACE_MS = 5_000;

/** The part of the time since the first look without an incident, 0 to 1; an incident that goes on counts. */
export const uptimeOf = ({ firstMs, downMs, incident }: Health, nowMs: number): number => {
  const allMs = nowMs - firstMs;
  const currentMs = incident ? Math.max(0, nowMs - incident.atMs) : 0;
  return allMs <= 0 ? 1 : Math.max(0, 1 - (downMs + currentMs) / allMs);
};

/** Another state, or another cause; the time counts from the last change of the state. */
export const enter = (health: Health, state: ProxyState, cause: Cause | null, atMs: number): Health =>
  health.state === state && health.cause === cause
    ? health
    : { ...health, state, cause, sinceMs: health.state === state ? health.sinceMs : atMs };

/** Another process has its place: the failures of the one before say nothing of it. */
export const begin = (before: Health, pid: number, atMs: number): Health => ({
  ...before,
  pid,
  bornMs: atMs,
  graceUntilMs: atMs + GRACE_MS,
  hasLeft: false,
  failures: { ...before.failures, consecutive: 0 },
});

/** The incident goes into the history. */
export const closed = (health: Health, incident: Incident, toMs: number): Health => {
  const { atMs, cause, cures, alerted } = incident;
  const restarted = incident.isOwn && health.pid !== incident.pid;
  return {
    ...health,
    incident: null,
    downMs: health.downMs + Math.max(0, toMs - atMs),
    history: [...health.history, { fromMs: atMs, toMs, cause, cures, alerted, restarted }].slice(
      -MOST_HISTORY,
    ),
  };
};
