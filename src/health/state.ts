import type * as v from 'valibot';
import { emptyHistogram } from '../lib/histogram.ts';
import { histogramSchema } from '../lib/histogram-schema.ts';
import {
  count,
  fields,
  flag,
  instant,
  listOf,
  oneOf,
  orNull,
  processId,
  recordOf,
  text,
  withDefault,
} from '../lib/stored-fields.ts';
import { CLOSED, circuitBreakerSchema } from './circuit-breaker.ts';
import { type Cause, causeSchema, remedySchema } from './types.ts';

/** The states of a port as the status shows them. */
export const PROXY_STATES = [
  /** It serves its port, and its upstream answers. */
  'up',
  /** It serves in part, or it fails and the verdict is not acted on yet. */
  'degraded',
  /** It fails, and the verdict is acted on: at failure #1, or at `failureThreshold`. */
  'down',
  /** It is being started or restarted, which may take 5 s. */
  'starting',
  /** The operator has stopped or deleted it in PM2. */
  'stopped',
  /** Its upstream, which may be off (`optional`), is off. */
  'waiting',
  /** The upstream itself listens on every address of the port. */
  'not_needed',
] as const;

export type ProxyState = (typeof PROXY_STATES)[number];

const incidentSchema = fields({
  /** The first failure. */
  startedAt: instant,
  /**
   * The last failure: the outage is known to have lasted until then, also when no monitor ran after it. Null when an earlier
   * version stored it.
   */
  lastFailedAt: withDefault(orNull(instant), null),
  /** The process at that time; another one at the end shows that the proxy was restarted. */
  pid: orNull(processId),
  /** The upstream at that time, since the config may be corrected before the end; null when an earlier version stored it. */
  upstream: withDefault(orNull(text), null),
  /** The cause of the latest failure. */
  cause: causeSchema,
  /** The failures in a row with that cause; 0 when an earlier version stored it. */
  causeFailures: withDefault(count, 0),
  /** The causes that the log has named, each once, the last one named at the end; empty when an earlier version stored it. */
  loggedCauses: withDefault(listOf(causeSchema), []),
  /** The remedies that were carried out, or could not be; the last {@link MAX_HISTORY}, oldest first. */
  actions: listOf(remedySchema),
  /** An alert was raised, when `failures.sinceHealthy` reached `failureThreshold`; each incident has at most one. */
  alerted: flag,
  /** The proxy was at fault for a part of it: only such incidents count in {@link Health.recovery}. */
  isProxyFault: flag,
  /** The first of the successes since the last failure, which will be the end of the incident; null after a failure. */
  recoveringSince: orNull(instant),
});

/** A time in which checks of the port fail: from the first failure until `successThreshold` successes in a row. */
export type Incident = v.InferOutput<typeof incidentSchema>;

const pastIncidentSchema = fields({
  startedAt: instant,
  /** See {@link Incident}. */
  lastFailedAt: withDefault(orNull(instant), null),
  endedAt: instant,
  /** The upstream at its beginning; null when an earlier version stored it. */
  upstream: withDefault(orNull(text), null),
  /** The cause of its last failure. */
  cause: causeSchema,
  actions: listOf(remedySchema),
  alerted: flag,
  /** The proxy was at fault, and another process runs since: it was restarted, by the monitor or by PM2. */
  hasNewProcess: flag,
});

/** An incident that is over. */
export type PastIncident = v.InferOutput<typeof pastIncidentSchema>;

export const healthSchema = fields({
  /** The present state. Every verdict that changes something sets it, and so does a crash. */
  state: oneOf(PROXY_STATES),
  /** The reason for the state; null when there is nothing to explain. Set together with `state`. */
  cause: orNull(causeSchema),
  /** The beginning of `state`. A new cause alone does not change it. */
  since: instant,
  /** The first check ever; the uptime counts from here. Never reset. */
  firstCheckAt: instant,
  /** The sum of all incidents that are over. closeIncident adds to it; never reset. */
  downMs: count,
  /** The last {@link MAX_HISTORY} incidents that are over, oldest first. closeIncident adds to it. */
  history: listOf(pastIncidentSchema),
  /** The latest process that a check found; null before the first. Kept when the process is gone. */
  pid: orNull(processId),
  /** The time at which a check first found that process. Set together with `pid` by onNewProcess. */
  processSeenAt: instant,
  failures: fields({
    /**
     * Failures in a row; at `failureThreshold` a remedy is due. Reset by a success, a successful remedy, another
     * process, the states `stopped` and `waiting`, and when the fault moves between the proxy and its surroundings.
     */
    consecutive: count,
    /**
     * Failures since the port was last healthy; at `failureThreshold` an alert is due. Reset when the incident ends.
     */
    sinceHealthy: count,
    /** All failures. Never reset. */
    total: count,
  }),
  /** Successes in a row, at most `successThreshold`. Reset by a failure, and by the states `stopped` and `waiting`. */
  successes: count,
  /** Crashes of the process, and restarts by the monitor to mend a failure. Never reset. */
  restarts: fields({ crash: count, forced: count }),
  /** `restarts.forced`, by the cause of the incident at the end of the restart. Never reset. */
  forcedByCause: recordOf(count, causeSchema),
  /** The incidents with a fault of the proxy that are over: how many, the last duration, and the sum. Never reset. */
  recovery: fields({ count, lastMs: count, totalMs: count }),
  /** The durations that `recovery` counts, as a histogram. Never reset. */
  recoveries: histogramSchema,
  /**
   * The process whose end was counted last, as a crash or as a forced restart. It is not counted again, although the
   * control connection and PM2's list may both report it.
   */
  crashedPid: orNull(processId),
  /** The process that was killed because it did not stop. It is not killed again. */
  killedPid: orNull(processId),
  /**
   * The last crashes, as many as make a crash loop (CRASH_LOOP in decision-table.ts), oldest first. Reset when that is over: by a
   * process that has run for long enough, an announced shutdown, a requested restart, and the states `stopped` and `waiting`.
   */
  crashedAt: listOf(instant),
  /** The present incident. Set by the first failure; null again after a recovery, and when `stopped` or `waiting`. */
  incident: orNull(incidentSchema),
  /**
   * Until this time a proxy that does not answer or listen yet is `starting`, not failing. Set to {@link GRACE_MS} from now
   * by a new process, an announced shutdown, a requested restart, a successful remedy and a kill.
   */
  graceEndsAt: instant,
  /**
   * The process has announced its shutdown, the operator has requested its restart, or it was killed while it stopped:
   * until `graceEndsAt` its absence is no failure. Reset by a new process.
   */
  isShuttingDown: flag,
  /** Decides whether the port may be restarted now. Each remedy and each recovery changes it (circuit-breaker.ts). */
  breaker: circuitBreakerSchema,
  /** The causes over a limit that only warns, as of the last check that was not late. */
  warnings: listOf(causeSchema),
});

/**
 * Everything that the monitor remembers about a port. The reducer is the only one that changes it, one event at a time;
 * monitor/health-store.ts keeps it in a file, so that it outlives the monitor. All times are wall-clock milliseconds.
 */
export type Health = v.InferOutput<typeof healthSchema>;

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
  const { startedAt, lastFailedAt, upstream, cause, actions, alerted } = incident;
  const pastIncident: PastIncident = {
    startedAt,
    lastFailedAt,
    endedAt,
    upstream,
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
