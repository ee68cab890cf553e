import { emptyHistogram, type Histogram } from '../lib/histogram.ts';
import { type CircuitBreaker, CLOSED } from './circuit-breaker.ts';
import type { Cause, Remedy } from './types.ts';

/** The state of a port as the status shows it. */
export type ProxyState =
  /** It serves its port, and its upstream answers. */
  | 'up'
  /** It serves in part, or it fails and the verdict is not acted on yet. */
  | 'degraded'
  /** It fails, and the verdict is acted on: at failure #1, or at `failureThreshold`. */
  | 'down'
  /** It is being started or restarted, which may take 5 s. */
  | 'starting'
  /** The operator has stopped or deleted it in PM2. */
  | 'stopped'
  /** Its upstream, which may be off (`optional`), is off. */
  | 'waiting'
  /** The upstream itself listens on every address of the port. */
  | 'not_needed';

/** A time in which checks of the port fail: from the first failure until `successThreshold` successes in a row. */
export interface Incident {
  /** The first failure. */
  readonly startedAt: number;
  /** The process at that time; another one at the end shows that the proxy was restarted. */
  readonly pid: number | null;
  /** The cause of the latest failure. */
  readonly cause: Cause;
  /** The remedies that were carried out, or could not be; the last {@link MAX_HISTORY}, oldest first. */
  readonly actions: readonly Remedy[];
  /** An alert was raised, when `failures.sinceHealthy` reached `failureThreshold`; each incident has at most one. */
  readonly alerted: boolean;
  /** The proxy was at fault for a part of it: only such incidents count in {@link Health.recovery}. */
  readonly isProxyFault: boolean;
  /** The first of the successes since the last failure, which will be the end of the incident; null after a failure. */
  readonly recoveringSince: number | null;
}

/** An incident that is over. */
export interface PastIncident {
  readonly startedAt: number;
  readonly endedAt: number;
  /** The cause of its last failure. */
  readonly cause: Cause;
  readonly actions: readonly Remedy[];
  readonly alerted: boolean;
  /** The proxy was at fault, and another process runs since: it was restarted, by the monitor or by PM2. */
  readonly hasNewProcess: boolean;
}

/**
 * Everything that the monitor remembers about a port. The reducer is the only one that changes it, one event at a time;
 * monitor/health-store.ts keeps it in a file, so that it outlives the monitor. All times are wall-clock milliseconds.
 */
export interface Health {
  /** The present state. Every verdict that changes something sets it, and so does a crash. */
  readonly state: ProxyState;
  /** The reason for the state; null when there is nothing to explain. Set together with `state`. */
  readonly cause: Cause | null;
  /** The beginning of `state`. A new cause alone does not change it. */
  readonly since: number;
  /** The first check ever; the uptime counts from here. Never reset. */
  readonly firstCheckAt: number;
  /** The sum of all incidents that are over. closeIncident adds to it; never reset. */
  readonly downMs: number;
  /** The last {@link MAX_HISTORY} incidents that are over, oldest first. closeIncident adds to it. */
  readonly history: readonly PastIncident[];
  /** The latest process that a check found; null before the first. Kept when the process is gone. */
  readonly pid: number | null;
  /** The time at which a check first found that process. Set together with `pid` by onNewProcess. */
  readonly processSeenAt: number;
  readonly failures: {
    /**
     * Failures in a row; at `failureThreshold` a remedy is due. Reset by a success, a successful remedy, another
     * process, the states `stopped` and `waiting`, and when the fault moves between the proxy and its surroundings.
     */
    readonly consecutive: number;
    /**
     * Failures since the port was last healthy; at `failureThreshold` an alert is due. Reset when the incident ends.
     */
    readonly sinceHealthy: number;
    /** All failures. Never reset. */
    readonly total: number;
  };
  /** Successes in a row, at most `successThreshold`. Reset by a failure, and by the states `stopped` and `waiting`. */
  readonly successes: number;
  /** Crashes of the process, and restarts by the monitor to mend a failure. Never reset. */
  readonly restarts: { readonly crash: number; readonly forced: number };
  /** `restarts.forced`, by the cause of the incident at the end of the restart. Never reset. */
  readonly forcedByCause: Readonly<Partial<Record<Cause, number>>>;
  /** The incidents with a fault of the proxy that are over: how many, the last duration, and the sum. Never reset. */
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly totalMs: number };
  /** The durations that `recovery` counts, as a histogram. Never reset. */
  readonly recoveries: Histogram;
  /**
   * The process whose end was counted last, as a crash or as a forced restart. It is not counted again, although the
   * control connection and PM2's list may both report it.
   */
  readonly crashedPid: number | null;
  /** The process that was killed because it did not stop. It is not killed again. */
  readonly killedPid: number | null;
  /** The last crashes, as many as make a crash loop (CRASH_LOOP in decision-table.ts), oldest first. */
  readonly crashedAt: readonly number[];
  /** The present incident. Set by the first failure; null again after a recovery, and when `stopped` or `waiting`. */
  readonly incident: Incident | null;
  /**
   * Until this time a proxy that does not answer or listen yet is `starting`, not failing. Set to {@link GRACE_MS} from now
   * by a new process, an announced shutdown, a requested restart, a successful remedy and a kill.
   */
  readonly graceEndsAt: number;
  /**
   * The process has announced its shutdown, the operator has requested its restart, or it was killed while it stopped:
   * until `graceEndsAt` its absence is no failure. Reset by a new process.
   */
  readonly isShuttingDown: boolean;
  /** Decides whether the port may be restarted now. Each remedy and each recovery changes it (circuit-breaker.ts). */
  readonly breaker: CircuitBreaker;
  /** The causes over a limit that only warns, as of the last check that was not late. */
  readonly warnings: readonly Cause[];
}

/** The number of past incidents that are kept, and of remedies in each incident. */
export const MAX_HISTORY = 20;

const RECOVERY_BOUNDS_MS = [250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000];

/**
 * The time that a start or a restart may take before its failures count, in milliseconds: PM2's `listen_timeout`
 * (pm2/apps.ts).
 */
export const GRACE_MS = 5_000;

/** The health of a port that was never checked. */
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
  isShuttingDown: false,
  breaker: CLOSED,
  warnings: [],
});

/** The part of the time since the first check without an incident, 0 to 1; the present incident counts. */
export const uptimeOf = ({ firstCheckAt, downMs, incident }: Health, now: number): number => {
  const elapsedMs = now - firstCheckAt;
  const ongoingMs = incident ? Math.max(0, now - incident.startedAt) : 0;
  return elapsedMs <= 0 ? 1 : Math.max(0, 1 - (downMs + ongoingMs) / elapsedMs);
};

/** Sets state and cause; `since` changes with the state only. The very same object when both are as before. */
export const setState = (health: Health, state: ProxyState, cause: Cause | null, now: number): Health =>
  health.state === state && health.cause === cause
    ? health
    : { ...health, state, cause, since: health.state === state ? health.since : now };

/** Resets the fields of one process: the failures of the process before prove nothing about the new one. */
export const onNewProcess = (previous: Health, pid: number, now: number): Health => ({
  ...previous,
  pid,
  processSeenAt: now,
  graceEndsAt: now + GRACE_MS,
  isShuttingDown: false,
  failures: { ...previous.failures, consecutive: 0 },
});

/** Moves the incident into the history. */
export const closeIncident = (health: Health, incident: Incident, endedAt: number): Health => {
  const { startedAt, cause, actions, alerted } = incident;
  const pastIncident: PastIncident = {
    startedAt,
    endedAt,
    cause,
    actions,
    alerted,
    hasNewProcess: incident.isProxyFault && health.pid !== incident.pid,
  };
  return {
    ...health,
    incident: null,
    downMs: health.downMs + Math.max(0, endedAt - startedAt),
    history: [...health.history, pastIncident].slice(-MAX_HISTORY),
  };
};
