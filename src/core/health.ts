import {
  afterCure,
  afterRecovery,
  askBreaker,
  type Breaker,
  type Budget,
  CLOSED,
  openBreaker,
} from './breaker.ts';
import { describeCause, describeFailure } from './causes.ts';
import type { MonitorConfig } from './config.ts';
import {
  type Cause,
  CRASH_LOOP,
  type Cure,
  type Evidence,
  type Failing,
  isByProbe,
  isOwn,
  isSoft,
  judge,
  type Verdict,
  warningsOf,
} from './decision.ts';
import { formatSeconds, isWithin } from './duration.ts';

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
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly totalMs: number };
  /** The process whose crash was counted last: it may be seen twice, by its socket and by PM2's list. */
  readonly crashedPid: number | null;
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

const MOST_HISTORY = 20;

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
  crashedPid: null,
  crashesMs: [],
  recovery: { count: 0, lastMs: 0, totalMs: 0 },
  incident: null,
  graceUntilMs: atMs + GRACE_MS,
  hasLeft: false,
  breaker: CLOSED,
  warnings: [],
});

/** PM2's listen_timeout. */
const GRACE_MS = 5_000;

/** What a look saw; that a port crashes again and again is remembered here. */
export type Sight = Omit<Evidence, 'crashes'>;

export interface Look {
  readonly kind: 'look';
  readonly atMs: number;
  readonly pid: number | null;
  readonly evidence: Sight;
  /** The upstream was checked since the look before: without it there is no news of it. */
  readonly isProbed: boolean;
}

export type HealthEvent =
  | Look
  /** The control connection ended: without a goodbye it was a crash, with one somebody restarts or stops the proxy. */
  | { readonly kind: 'crash' | 'left'; readonly atMs: number }
  | { readonly kind: 'cured'; readonly atMs: number; readonly cure: Cure; readonly error: string | null };

export type Action =
  | { readonly kind: 'tell'; readonly event: string; readonly text: string }
  | { readonly kind: 'cure'; readonly cure: Cure; readonly cause: Cause };

export interface HealthPolicy extends Pick<MonitorConfig, 'failureThreshold' | 'successThreshold'>, Budget {
  /** "port 6274". */
  readonly place: string;
  readonly upstream: string;
  readonly optional: boolean;
  /** Most ports fail at once: what may be the machine's fault is not cured (core/brake.ts). */
  readonly isBraked: boolean;
}

export interface Step {
  readonly health: Health;
  readonly actions: readonly Action[];
}

/** One event → what is known now, and what to do about it. Pure: time comes with the event. */
export const step = (health: Health, event: HealthEvent, policy: HealthPolicy): Step => {
  switch (event.kind) {
    case 'crash':
      return fail(health, CRASH, event.atMs, policy, true);
    case 'left':
      return { health: { ...health, hasLeft: true, graceUntilMs: event.atMs + GRACE_MS }, actions: [] };
    case 'cured':
      return cured(health, event, policy);
    case 'look':
      return look(health, event, policy);
  }
};

/** PM2 knows of it before the monitor does, and restarts. */
const CRASH: Failing = { kind: 'failing', cause: 'crashed', cures: [], at: 'once' };

const look = (before: Health, event: Look, policy: HealthPolicy): Step => {
  const now = event.pid === null || event.pid === before.pid ? before : begin(before, event.pid, event.atMs);
  const seen: Evidence = { ...event.evidence, crashes: isLoop(now, event.atMs) ? 'loop' : 'few' };
  const verdict = judge(seen, policy.optional);
  const warned = seen.monitor === 'late' ? { health: now, actions: [] } : warn(now, seen, policy);
  const next = conclude(warned.health, event, verdict, policy);
  return { health: next.health, actions: [...warned.actions, ...next.actions] };
};

/** Another process has its place: the failures of the one before say nothing of it. */
const begin = (before: Health, pid: number, atMs: number): Health => ({
  ...before,
  pid,
  bornMs: atMs,
  graceUntilMs: atMs + GRACE_MS,
  hasLeft: false,
  failures: { ...before.failures, consecutive: 0 },
});

const conclude = (health: Health, event: Look, verdict: Verdict, policy: HealthPolicy): Step => {
  switch (verdict.kind) {
    case 'healthy':
      return health.incident && isByProbe(health.incident.cause) && !event.isProbed
        ? { health, actions: [] }
        : succeed(health, verdict, event.atMs, policy);
    case 'neutral':
      return { health: rest(health, verdict, event.atMs), actions: [] };
    case 'failing':
      if (isByProbe(verdict.cause) && !event.isProbed) return { health, actions: [] };
      return isOnItsWay(health, event, verdict)
        ? { health: enter(health, 'starting', health.cause, event.atMs), actions: [] }
        : fail(health, verdict, event.atMs, policy, hasCrashed(event.evidence));
  }
};

/** In a crash loop, too, a process that is up for a moment has not crashed yet. */
const hasCrashed = (evidence: Sight): boolean =>
  judge({ ...evidence, crashes: 'few' }, false).cause === 'crashed';

const isLoop = ({ crashesMs, bornMs }: Health, atMs: number): boolean =>
  crashesMs.filter((oneMs) => isWithin(oneMs, atMs, CRASH_LOOP.withinMs)).length >= CRASH_LOOP.crashes &&
  isWithin(bornMs, atMs, CRASH_LOOP.stableMs);

const warn = (health: Health, seen: Evidence, policy: HealthPolicy): Step => {
  const warnings = warningsOf(seen);
  if (String(warnings) === String(health.warnings)) return { health, actions: [] };
  const fresh = warnings.filter((cause) => !health.warnings.includes(cause));
  const actions = fresh.map((cause) => tell('warning', `⚠️  ${describeCause(cause, policy)}`));
  return { health: { ...health, warnings }, actions };
};

const tell = (event: string, text: string): Action => ({ kind: 'tell', event, text });

/**
 * A young process that does not answer or listen yet is starting, not failing, and so is one that has said goodbye and
 * finishes its connections. A stopped one is not on its way.
 */
const isOnItsWay = (health: Health, { atMs, evidence }: Look, { cause }: Failing): boolean =>
  atMs < health.graceUntilMs &&
  health.graceUntilMs - atMs <= GRACE_MS &&
  (cause === 'not_listening' ||
    (cause === 'hung' && evidence.heartbeat === 'unreachable') ||
    ((cause === 'crashed' || isSoft(cause)) && health.hasLeft) ||
    (evidence.pm2 === 'missing' && health.incident === null));

const rest = (health: Health, verdict: Extract<Verdict, { kind: 'neutral' }>, atMs: number): Health => {
  if (verdict.state === 'same') return health;
  const entered = enter(health, verdict.state, verdict.cause, atMs);
  const { consecutive, sinceHealthy } = health.failures;
  const isClear = health.incident === null && health.successes + consecutive + sinceHealthy === 0;
  if (verdict.state === 'starting' || isClear) return entered;
  return {
    ...(health.incident ? closed(entered, health.incident, atMs) : entered),
    successes: 0,
    failures: { ...health.failures, consecutive: 0, sinceHealthy: 0 },
  };
};

const succeed = (
  health: Health,
  verdict: Extract<Verdict, { kind: 'healthy' }>,
  atMs: number,
  policy: HealthPolicy,
): Step => {
  const successes = Math.min(health.successes + 1, policy.successThreshold);
  const { incident } = health;
  if (incident === null) {
    // Nothing new is the very same object: the monitor writes its file when there is another one.
    const { consecutive } = health.failures;
    const breaker = afterRecovery(health.breaker);
    const isSteady = successes === health.successes && consecutive === 0 && breaker === health.breaker;
    const rested = isSteady
      ? health
      : { ...health, successes, failures: { ...health.failures, consecutive: 0 }, breaker };
    return { health: enter(rested, verdict.state, verdict.cause, atMs), actions: [] };
  }
  const backAtMs = incident.backAtMs ?? atMs;
  const rising: Health = {
    ...health,
    successes,
    failures: { ...health.failures, consecutive: 0 },
    incident: { ...incident, backAtMs },
  };
  if (successes < policy.successThreshold) return { health: rising, actions: [] };
  return recover(enter(rising, verdict.state, verdict.cause, atMs), incident, backAtMs, policy);
};

const recover = (health: Health, incident: Incident, backAtMs: number, policy: HealthPolicy): Step => {
  const lastMs = Math.max(0, backAtMs - incident.atMs);
  const { count, totalMs } = health.recovery;
  const text =
    health.pid === incident.pid
      ? `✅ Proxy for ${policy.place} is healthy again after ${formatSeconds(lastMs)}`
      : `✅ Proxy for ${policy.place} started successfully (PID: ${health.pid})`;
  return {
    health: {
      ...closed(health, incident, backAtMs),
      failures: { ...health.failures, consecutive: 0, sinceHealthy: 0 },
      recovery: incident.isOwn ? { count: count + 1, lastMs, totalMs: totalMs + lastMs } : health.recovery,
      breaker: afterRecovery(health.breaker),
    },
    actions: [tell('recovered', text)],
  };
};

/** The incident goes into the history. */
const closed = (health: Health, { atMs, cause, cures }: Incident, toMs: number): Health => ({
  ...health,
  incident: null,
  downMs: health.downMs + Math.max(0, toMs - atMs),
  history: [...health.history, { fromMs: atMs, toMs, cause, cures }].slice(-MOST_HISTORY),
});

const fail = (
  before: Health,
  verdict: Failing,
  atMs: number,
  policy: HealthPolicy,
  isCrash: boolean,
): Step => {
  const { cause } = verdict;
  // A proxy that has just begun to fail is not to be restarted for what its upstream has done before.
  const isNews = before.incident !== null && isOwn(before.incident.cause) !== isOwn(cause);
  const failures = {
    consecutive: (isNews ? 0 : before.failures.consecutive) + 1,
    sinceHealthy: before.failures.sinceHealthy + 1,
    total: before.failures.total + 1,
  };
  const reached = failures.consecutive >= policy.failureThreshold;
  const acted = verdict.at === 'once' || reached || before.state === 'down';
  const alert = failures.sinceHealthy >= policy.failureThreshold && !before.incident?.alerted;
  const incident: Incident = {
    ...(before.incident ?? { atMs, pid: before.pid, cures: [], alerted: false, isOwn: false }),
    cause,
    backAtMs: null,
  };
  const actions: Action[] = [];
  if (failures.sinceHealthy <= policy.failureThreshold || failures.sinceHealthy % TELL_EVERY === 0)
    actions.push(tell('failure', `⚠️  ${describeFailure(cause, policy, failures.consecutive)}`));
  if (alert)
    actions.push(
      tell(
        'alert',
        `🚨 ALERT: ${describeCause(cause, policy)}: ${failures.sinceHealthy} failures since it was last healthy`,
      ),
    );
  const failed: Health = {
    ...enter(isCrash ? countCrash(before, atMs) : before, acted ? 'down' : 'degraded', cause, atMs),
    failures,
    successes: 0,
    incident: {
      ...incident,
      alerted: incident.alerted || alert,
      isOwn: incident.isOwn || isOwn(cause),
    },
  };
  const isDue = verdict.at === 'once' || reached;
  const cure = isDue ? chooseCure(failed, verdict, atMs, policy) : { health: failed, actions: [] };
  return { health: cure.health, actions: [...actions, ...cure.actions] };
};

const countCrash = (health: Health, atMs: number): Health =>
  health.pid === null || health.pid === health.crashedPid
    ? health
    : {
        ...health,
        restarts: { ...health.restarts, crash: health.restarts.crash + 1 },
        crashedPid: health.pid,
        crashesMs: [...health.crashesMs, atMs].slice(-CRASH_LOOP.crashes),
      };

/** The next cure of the verdict's, when the budget allows one. */
const chooseCure = (health: Health, { cause, cures }: Failing, atMs: number, policy: HealthPolicy): Step => {
  const cure = cures[Math.min(health.breaker.tries, cures.length - 1)];
  if (cure === undefined || (policy.isBraked && isSoft(cause))) return { health, actions: [] };
  const { place, restartBudget, restartWindowMs } = policy;
  const answer = askBreaker(health.breaker, atMs, policy);
  if (answer === 'wait') return { health, actions: [] };
  if (answer === 'give_up') {
    const breaker = openBreaker(health.breaker, atMs, policy);
    const spent = `${restartBudget} restarts within ${formatSeconds(restartWindowMs)} did not help`;
    const text = `🚨 ALERT: Gave up on the proxy for ${place}: ${spent}; next try in ${formatSeconds(breaker.nextAtMs - atMs)}`;
    const isFirst = health.breaker.opened === 0;
    return { health: { ...health, breaker }, actions: isFirst ? [tell('gave_up', text)] : [] };
  }
  const text =
    cure === 'listen'
      ? `Asking the proxy for ${place} to listen again...`
      : `Attempting to restart proxy for ${place}...`;
  return { health, actions: [tell('restart', text), { kind: 'cure', cure, cause }] };
};

const cured = (
  health: Health,
  event: Extract<HealthEvent, { kind: 'cured' }>,
  policy: HealthPolicy,
): Step => {
  const { incident } = health;
  const tried: Health = {
    ...health,
    breaker: afterCure(health.breaker, event.atMs, policy),
    incident: incident && { ...incident, cures: [...incident.cures, event.cure].slice(-MOST_HISTORY) },
  };
  if (event.error !== null)
    return {
      health: tried,
      actions: [tell('restart_failed', `❌ Restart of proxy for ${policy.place} failed: ${event.error}`)],
    };
  const isRestart = event.cure === 'forced' || event.cure === 'graceful';
  const forced = health.restarts.forced + (isRestart ? 1 : 0);
  return {
    health: {
      ...tried,
      crashedPid: isRestart ? health.pid : health.crashedPid,
      graceUntilMs: event.atMs + GRACE_MS,
      restarts: { ...health.restarts, forced },
      failures: { ...health.failures, consecutive: 0 },
    },
    actions: [],
  };
};

/** After the threshold, one line in so many failures is enough. */
const TELL_EVERY = 60;

const enter = (health: Health, state: ProxyState, cause: Cause | null, atMs: number): Health =>
  health.state === state && health.cause === cause
    ? health
    : { ...health, state, cause, sinceMs: health.state === state ? health.sinceMs : atMs };

/** The part of the time since the first look without an incident, 0 to 1; an incident that goes on counts. */
export const uptimeOf = ({ firstMs, downMs, incident }: Health, nowMs: number): number => {
  const allMs = nowMs - firstMs;
  const currentMs = incident ? Math.max(0, nowMs - incident.atMs) : 0;
  return allMs <= 0 ? 1 : Math.max(0, 1 - (downMs + currentMs) / allMs);
};
