import type { MonitorConfig } from './config.ts';

/** What PM2 says of an app: its own words, `gave_up` for a "waiting restart" that will never come, `deleted` for an app that was there before. */
export type Pm2Evidence =
  | 'online'
  | 'launching'
  | 'stopping'
  | 'stopped'
  | 'deleted'
  | 'waiting_restart'
  | 'gave_up'
  | 'missing'
  | 'unknown';

/** What was found out in one look. `unknown` is missing evidence and never a failure. */
export interface Evidence {
  readonly pm2: Pm2Evidence;
  /** From /proc: `stopped` is SIGSTOP or a debugger; a zombie is `gone`. */
  readonly process: 'alive' | 'stopped' | 'gone' | 'unknown';
  /** The control socket: `silent` has no answer in time, `unreachable` nobody behind it. */
  readonly heartbeat: 'ok' | 'silent' | 'unreachable' | 'unknown';
  readonly listening: 'all' | 'some' | 'in_use' | 'none' | 'not_needed' | 'unknown';
  readonly accepts: 'ok' | 'failed' | 'unknown';
  readonly upstream: 'ok' | 'failed' | 'unknown';
  readonly endToEnd: 'ok' | 'failed' | 'unknown';
}

export type ProxyState = 'up' | 'degraded' | 'down' | 'starting' | 'stopped' | 'waiting' | 'not_needed';
export type Cause =
  | 'crashed'
  | 'hung'
  | 'port_in_use'
  | 'not_listening'
  | 'not_accepting'
  | 'upstream_down'
  | 'forwarding_broken';

/** `start`: bring back what is not running. `forced`: SIGKILL and restart. `graceful`: a plain restart. */
export type Cure = 'none' | 'start' | 'forced' | 'graceful';

/** A failing verdict is acted on at failure #1 (`at_once`) or at `failureThreshold`. */
export type Verdict =
  | {
      readonly kind: 'healthy';
      readonly state: 'up' | 'degraded' | 'not_needed';
      readonly cause: Cause | null;
    }
  | {
      readonly kind: 'neutral';
      readonly state: 'stopped' | 'starting' | 'waiting' | 'same';
      readonly cause: Cause | null;
    }
  | {
      readonly kind: 'failing';
      readonly cause: Cause;
      readonly cure: Cure;
      readonly at: 'once' | 'threshold';
    };

type Failing = Extract<Verdict, { kind: 'failing' }>;

const failing = (cause: Cause, cure: Cure, at: Failing['at'] = 'threshold'): Failing => ({
  kind: 'failing',
  cause,
  cure,
  at,
});

/** The decision table: the first row that fits decides. */
export const judge = (seen: Evidence, optional: boolean): Verdict => {
  const { pm2, heartbeat, listening } = seen;
  if (pm2 === 'stopped' || pm2 === 'stopping' || pm2 === 'deleted')
    return { kind: 'neutral', state: 'stopped', cause: null };
  // Not in PM2's list and yet it answers: an orphan of a daemon that died goes on serving.
  if ((pm2 === 'missing' && heartbeat !== 'ok') || pm2 === 'gave_up')
    return failing('crashed', 'start', 'once');
  if (pm2 === 'waiting_restart') return failing('crashed', 'none', 'once');
  if (seen.process === 'gone') return failing('crashed', 'start');
  if (seen.process === 'stopped' || heartbeat === 'silent') return failing('hung', 'forced');
  if (pm2 === 'launching') return { kind: 'neutral', state: 'starting', cause: null };
  if (heartbeat === 'unreachable')
    return seen.process === 'unknown' ? failing('crashed', 'start') : failing('hung', 'forced');
  if (heartbeat === 'unknown') return { kind: 'neutral', state: 'same', cause: null };
  if (listening === 'not_needed')
    return seen.upstream === 'failed'
      ? upstreamDown(optional)
      : { kind: 'healthy', state: 'not_needed', cause: null };
  if (listening === 'in_use') return failing('port_in_use', 'none');
  if (listening === 'none') return failing('not_listening', 'none');
  if (seen.accepts === 'failed') return failing('not_accepting', 'forced');
  if (seen.upstream === 'failed') return upstreamDown(optional);
  if (seen.endToEnd === 'failed') return failing('forwarding_broken', 'graceful');
  if (listening === 'some') return { kind: 'healthy', state: 'degraded', cause: 'port_in_use' };
  return { kind: 'healthy', state: 'up', cause: null };
};

/** From the first failure until `successThreshold` successes. */
export interface Incident {
  readonly atMs: number;
  readonly pid: number | null;
  readonly alerted: boolean;
  /** The proxy was at fault for a part of it: what its recovery time is measured of. */
  readonly isOwn: boolean;
  /** The first of the successes so far; null after a failure. */
  readonly backAtMs: number | null;
}

const upstreamDown = (optional: boolean): Verdict =>
  optional ? { kind: 'neutral', state: 'waiting', cause: 'upstream_down' } : failing('upstream_down', 'none');

/** What the monitor remembers of a port; kept over its restarts. Times are wall-clock milliseconds. */
export interface Health {
  readonly state: ProxyState;
  readonly cause: Cause | null;
  readonly sinceMs: number;
  readonly pid: number | null;
  /** `consecutive` is reset by a restart, `sinceHealthy` only by `successThreshold` successes. */
  readonly failures: { readonly consecutive: number; readonly sinceHealthy: number; readonly total: number };
  readonly successes: number;
  readonly restarts: { readonly crash: number; readonly forced: number };
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly totalMs: number };
  /** The process whose crash was counted last: it may be seen twice, by its socket and by PM2's list. */
  readonly crashedPid: number | null;
  readonly incident: Incident | null;
  /** Until then a restarted proxy may still be on its way: its failures do not count. */
  readonly graceUntilMs: number;
  /** It said goodbye and no other process has taken its place yet: to be gone is no failure within the grace. */
  readonly hasLeft: boolean;
  /** Cures without a success between them, and when the next one may be tried. */
  readonly cures: { readonly tries: number; readonly nextAtMs: number };
}

export const newHealth = (atMs: number): Health => ({
  state: 'starting',
  cause: null,
  sinceMs: atMs,
  pid: null,
  failures: { consecutive: 0, sinceHealthy: 0, total: 0 },
  successes: 0,
  restarts: { crash: 0, forced: 0 },
  crashedPid: null,
  recovery: { count: 0, lastMs: 0, totalMs: 0 },
  incident: null,
  graceUntilMs: atMs + GRACE_MS,
  hasLeft: false,
  cures: NO_CURES,
});

const NO_CURES: Health['cures'] = { tries: 0, nextAtMs: 0 };

/** PM2's listen_timeout. */
const GRACE_MS = 5_000;
/** A cure that did not help is tried again after 1 s, 2 s, 4 s … at most 60 s. */
const FIRST_CURE_PAUSE_MS = 1_000;
const LONGEST_CURE_PAUSE_MS = 60_000;

export type HealthEvent =
  | { readonly kind: 'look'; readonly atMs: number; readonly pid: number | null; readonly evidence: Evidence }
  /** The control connection ended: without a goodbye it was a crash, with one somebody restarts or stops the proxy. */
  | { readonly kind: 'crash' | 'left'; readonly atMs: number }
  | { readonly kind: 'cured'; readonly atMs: number; readonly cure: Cure; readonly error: string | null };

export type Action =
  | { readonly kind: 'tell'; readonly event: string; readonly text: string }
  | { readonly kind: 'restart'; readonly cure: Exclude<Cure, 'none'>; readonly cause: Cause };

export interface HealthPolicy extends Pick<MonitorConfig, 'failureThreshold' | 'successThreshold'> {
  /** "port 6274". */
  readonly place: string;
  readonly upstream: string;
  readonly optional: boolean;
}

export interface Step {
  readonly health: Health;
  readonly actions: readonly Action[];
}

/** One event → what is known now, and what to do about it. Pure: time comes with the event. */
export const step = (health: Health, event: HealthEvent, policy: HealthPolicy): Step => {
  switch (event.kind) {
    case 'crash':
      return fail(health, failing('crashed', 'none', 'once'), event.atMs, policy);
    case 'left':
      return { health: { ...health, hasLeft: true, graceUntilMs: event.atMs + GRACE_MS }, actions: [] };
    case 'cured':
      return cured(health, event, policy);
    case 'look':
      return look(health, event, policy);
  }
};

const look = (before: Health, event: Extract<HealthEvent, { kind: 'look' }>, policy: HealthPolicy): Step => {
  const verdict = judge(event.evidence, policy.optional);
  const changedPid = event.pid !== null && event.pid !== before.pid;
  const health = changedPid
    ? { ...before, pid: event.pid, graceUntilMs: event.atMs + GRACE_MS, hasLeft: false }
    : before;
  switch (verdict.kind) {
    case 'healthy':
      return succeed(health, verdict, event.atMs, policy);
    case 'neutral':
      return { health: rest(health, verdict, event.atMs), actions: [] };
    case 'failing':
      return isOnItsWay(health, event, verdict)
        ? { health: enter(health, 'starting', health.cause, event.atMs), actions: [] }
        : fail(health, verdict, event.atMs, policy);
  }
};

/** A young process that does not answer yet is starting, not failing. A stopped one is not on its way. */
const isOnItsWay = (
  health: Health,
  { atMs, evidence }: Extract<HealthEvent, { kind: 'look' }>,
  { cause }: Failing,
): boolean =>
  atMs < health.graceUntilMs &&
  ((cause === 'hung' && evidence.heartbeat === 'unreachable' && evidence.process !== 'stopped') ||
    (cause === 'crashed' && health.hasLeft) ||
    (evidence.pm2 === 'missing' && health.incident === null));

const rest = (health: Health, verdict: Extract<Verdict, { kind: 'neutral' }>, atMs: number): Health => {
  if (verdict.state === 'same') return health;
  const entered = enter(health, verdict.state, verdict.cause, atMs);
  const { consecutive, sinceHealthy } = health.failures;
  const isClear = health.incident === null && health.successes + consecutive + sinceHealthy === 0;
  if (verdict.state === 'starting' || isClear) return entered;
  return {
    ...entered,
    incident: null,
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
    const isSteady = successes === health.successes && consecutive === 0 && health.cures.tries === 0;
    const rested = isSteady
      ? health
      : { ...health, successes, failures: { ...health.failures, consecutive: 0 }, cures: NO_CURES };
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
  const lastMs = Math.max(0, backAtMs - incident.atMs);
  const { count, totalMs } = health.recovery;
  const restarted = health.pid !== incident.pid;
  const recovered: Health = {
    ...enter(rising, verdict.state, verdict.cause, atMs),
    failures: { ...health.failures, consecutive: 0, sinceHealthy: 0 },
    recovery: incident.isOwn ? { count: count + 1, lastMs, totalMs: totalMs + lastMs } : health.recovery,
    incident: null,
    cures: NO_CURES,
  };
  const text = restarted
    ? `✅ Proxy for ${policy.place} started successfully (PID: ${health.pid})`
    : `✅ Proxy for ${policy.place} is healthy again after ${formatSeconds(lastMs)}`;
  return { health: recovered, actions: [{ kind: 'tell', event: 'recovered', text }] };
};

const fail = (health: Health, verdict: Failing, atMs: number, policy: HealthPolicy): Step => {
  const failures = {
    consecutive: health.failures.consecutive + 1,
    sinceHealthy: health.failures.sinceHealthy + 1,
    total: health.failures.total + 1,
  };
  const reached = failures.consecutive >= policy.failureThreshold;
  const acted = verdict.at === 'once' || reached || health.state === 'down';
  const alert = failures.sinceHealthy >= policy.failureThreshold && !health.incident?.alerted;
  const incident = {
    ...(health.incident ?? { atMs, pid: health.pid, alerted: false, isOwn: false }),
    backAtMs: null,
  };
  const actions: Action[] = [];
  if (failures.sinceHealthy <= policy.failureThreshold || failures.sinceHealthy % TELL_EVERY === 0)
    actions.push({
      kind: 'tell',
      event: 'failure',
      text: `⚠️  ${describeCause(verdict.cause, policy)} (failure #${failures.consecutive})`,
    });
  if (alert)
    actions.push({
      kind: 'tell',
      event: 'alert',
      text: `🚨 ALERT: ${describeCause(verdict.cause, policy)}: ${failures.sinceHealthy} failures since it was last healthy`,
    });
  const cure =
    verdict.cure !== 'none' && (verdict.at === 'once' || reached) && atMs >= health.cures.nextAtMs
      ? verdict.cure
      : 'none';
  if (cure !== 'none')
    actions.push(
      { kind: 'tell', event: 'restart', text: `Attempting to restart proxy for ${policy.place}...` },
      { kind: 'restart', cure, cause: verdict.cause },
    );
  const crashed = verdict.cause === 'crashed' && health.pid !== null && health.pid !== health.crashedPid;
  const failed: Health = {
    ...enter(health, acted ? 'down' : 'degraded', verdict.cause, atMs),
    failures,
    successes: 0,
    restarts: crashed ? { ...health.restarts, crash: health.restarts.crash + 1 } : health.restarts,
    crashedPid: crashed ? health.pid : health.crashedPid,
    incident: {
      ...incident,
      alerted: incident.alerted || alert,
      isOwn: incident.isOwn || isOwn(verdict.cause),
    },
  };
  return { health: failed, actions };
};

/** Of the proxy itself, and not of what is around it. */
const isOwn = (cause: Cause): boolean => cause !== 'upstream_down' && cause !== 'port_in_use';

const cured = (
  health: Health,
  event: Extract<HealthEvent, { kind: 'cured' }>,
  policy: HealthPolicy,
): Step => {
  const pauseMs = Math.min(FIRST_CURE_PAUSE_MS * 2 ** health.cures.tries, LONGEST_CURE_PAUSE_MS);
  const cures = { tries: health.cures.tries + 1, nextAtMs: event.atMs + pauseMs };
  if (event.error !== null)
    return {
      health: { ...health, cures },
      actions: [
        {
          kind: 'tell',
          event: 'restart_failed',
          text: `❌ Restart of proxy for ${policy.place} failed: ${event.error}`,
        },
      ],
    };
  const forced = health.restarts.forced + (event.cure === 'start' ? 0 : 1);
  return {
    health: {
      ...health,
      cures,
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

const describeCause = (cause: Cause, { place, upstream }: HealthPolicy): string => {
  const proxy = `Proxy for ${place}`;
  switch (cause) {
    case 'crashed':
      return `${proxy} is not running`;
    case 'hung':
      return `${proxy} is not responding`;
    case 'port_in_use':
      return `${proxy} cannot listen: the port is in use`;
    case 'not_listening':
      return `${proxy} is not listening`;
    case 'not_accepting':
      return `${proxy} is not accepting connections`;
    case 'upstream_down':
      return `${proxy} has no upstream: ${upstream} does not answer`;
    case 'forwarding_broken':
      return `${proxy} does not forward, though ${upstream} answers`;
  }
};

export const formatSeconds = (ms: number): string =>
  ms < 1_000 ? `${ms} ms` : ms < 90_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
