import { emptyHistogram, type Histogram } from '../lib/histogram.ts';
import { type CircuitBreaker, CLOSED } from './circuit-breaker.ts';
import type { Cause, Remedy } from './types.ts';

export type ProxyState = 'up' | 'degraded' | 'down' | 'starting' | 'stopped' | 'waiting' | 'not_needed';

/** From the first failure until `successThreshold` successes. */
export interface Incident {
  readonly startedAt: number;
  readonly pid: number | null;
  /** The latest cause. */
  readonly cause: Cause;
  readonly actions: readonly Remedy[];
  readonly alerted: boolean;
  /** The proxy was at fault for a part of it: what its recovery time is measured of. */
  readonly isProxyFault: boolean;
  /** The first of the successes so far; null after a failure. */
  readonly recoveringSince: number | null;
}

/** An incident that is over. */
export interface PastIncident {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly cause: Cause;
  readonly actions: readonly Remedy[];
  readonly alerted: boolean;
  /** It was a fault of the proxy's own, and another process has its place since. */
  readonly hasNewProcess: boolean;
}

/** What the monitor remembers of a port; kept over its restarts. Times are wall-clock milliseconds. */
export interface Health {
  readonly state: ProxyState;
  readonly cause: Cause | null;
  readonly since: number;
  /** The first look ever: what the uptime is counted from. */
  readonly firstCheckAt: number;
  /** The incidents that are over, added up. */
  readonly downMs: number;
  /** The last {@link MAX_HISTORY}, oldest first. */
  readonly history: readonly PastIncident[];
  readonly pid: number | null;
  /** When that process was first seen. */
  readonly processSeenAt: number;
  /**
   * `consecutive` begins anew with a restart, with another process, and where the fault goes over from the proxy to
   * what is around it or back; `sinceHealthy` only with `successThreshold` successes.
   */
  readonly failures: { readonly consecutive: number; readonly sinceHealthy: number; readonly total: number };
  readonly successes: number;
  readonly restarts: { readonly crash: number; readonly forced: number };
  /** The forced ones, by what they were to cure. */
  readonly forcedByCause: Readonly<Partial<Record<Cause, number>>>;
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly totalMs: number };
  /** How long those took. */
  readonly recoveries: Histogram;
  /** The process whose crash was counted last: it may be seen twice, by its socket and by PM2's list. */
  readonly crashedPid: number | null;
  /** The process that was killed because it did not leave: once is enough. */
  readonly killedPid: number | null;
  /** The crashes that may make a loop. */
  readonly crashedAt: readonly number[];
  readonly incident: Incident | null;
  /** Until then a restarted proxy may still be on its way: its failures do not count. */
  readonly graceEndsAt: number;
  /** It said goodbye and no other process has taken its place yet: to be gone is no failure within the grace. */
  readonly hasLeft: boolean;
  readonly breaker: CircuitBreaker;
  /** What is over a limit that only warns. */
  readonly warnings: readonly Cause[];
}

/** So many incidents are kept, and so many cures of each. */
export const MAX_HISTORY = 20;

const RECOVERY_BOUNDS_MS = [250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000];

export const createHealth = (now: number): Health => ({
  state: 'starting',
  cause: null,
  since: now,
  firstCheckAt: now,
  downMs: 0,
  history: [],
  pid: null,
  processSeenAt: now,
  failures: { consecutive: 0, sinceHealthy: 0, total: 0 },
  successes: 0,
  restarts: { crash: 0, forced: 0 },
  forcedByCause: {},
  crashedPid: null,
  killedPid: null,
  crashedAt: [],
  recovery: { count: 0, lastMs: 0, totalMs: 0 },
  recoveries: emptyHistogram(RECOVERY_BOUNDS_MS),
  incident: null,
  graceEndsAt: now + GRACE_MS,
  hasLeft: false,
  breaker: CLOSED,
  warnings: [],
});

/** What is on its way has so long: PM2's listen_timeout. */
export const GRACE_MS = 5_000;

/** The part of the time since the first look without an incident, 0 to 1; an incident that goes on counts. */
export const uptimeOf = ({ firstCheckAt, downMs, incident }: Health, now: number): number => {
  const elapsedMs = now - firstCheckAt;
  const ongoingMs = incident ? Math.max(0, now - incident.startedAt) : 0;
  return elapsedMs <= 0 ? 1 : Math.max(0, 1 - (downMs + ongoingMs) / elapsedMs);
};

/** Another state, or another cause; the time counts from the last change of the state. */
export const setState = (health: Health, state: ProxyState, cause: Cause | null, now: number): Health =>
  health.state === state && health.cause === cause
    ? health
    : { ...health, state, cause, since: health.state === state ? health.since : now };

/** Another process has its place: the failures of the one before say nothing of it. */
export const onNewProcess = (previous: Health, pid: number, now: number): Health => ({
  ...previous,
  pid,
  processSeenAt: now,
  graceEndsAt: now + GRACE_MS,
  hasLeft: false,
  failures: { ...previous.failures, consecutive: 0 },
});

/** The incident goes into the history. */
export const closeIncident = (health: Health, incident: Incident, endedAt: number): Health => {
  const { startedAt, cause, actions, alerted } = incident;
  const hasNewProcess = incident.isProxyFault && health.pid !== incident.pid;
  return {
    ...health,
    incident: null,
    downMs: health.downMs + Math.max(0, endedAt - startedAt),
    history: [...health.history, { startedAt, endedAt, cause, actions, alerted, hasNewProcess }].slice(
      -MAX_HISTORY,
    ),
  };
};
