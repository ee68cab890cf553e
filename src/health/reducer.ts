import { formatSeconds, isWithin } from '../lib/duration.ts';
import { observed } from '../lib/histogram.ts';
import { describeCause } from './cause-text.ts';
import { isByProbe, isSoft } from './causes.ts';
import { afterRecovery } from './circuit-breaker.ts';
import { CRASH_LOOP, judge, warningsOf } from './decision-table.ts';
import { type HealthEvent, type HealthPolicy, type Look, type Sight, type Step, tell } from './events.ts';
import { fail } from './failure.ts';
import { cured, kill } from './remedy.ts';
import { begin, closed, enter, GRACE_MS, type Health, type Incident } from './state.ts';
import type { Evidence, Failing, Verdict } from './types.ts';

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

const conclude = (health: Health, event: Look, verdict: Verdict, policy: HealthPolicy): Step => {
  switch (verdict.kind) {
    case 'healthy':
      return health.incident && isByProbe(health.incident.cause) && !event.isProbed
        ? { health, actions: [] }
        : succeed(health, verdict, event.atMs, policy);
    case 'ending':
      return kill(rest(health, verdict, event.atMs), event, policy);
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
  crashesMs.filter((oneMs) => isWithin(oneMs, atMs, CRASH_LOOP.windowMs)).length >= CRASH_LOOP.crashes &&
  isWithin(bornMs, atMs, CRASH_LOOP.stableMs);

const warn = (health: Health, seen: Evidence, policy: HealthPolicy): Step => {
  const warnings = warningsOf(seen);
  if (String(warnings) === String(health.warnings)) return { health, actions: [] };
  const fresh = warnings.filter((cause) => !health.warnings.includes(cause));
  const actions = fresh.map((cause) => tell('warning', `⚠️  ${describeCause(cause, policy)}`));
  return { health: { ...health, warnings }, actions };
};

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

const rest = (
  health: Health,
  verdict: Extract<Verdict, { kind: 'neutral' | 'ending' }>,
  atMs: number,
): Health => {
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
      recoveries: incident.isOwn ? observed(health.recoveries, lastMs) : health.recoveries,
      breaker: afterRecovery(health.breaker),
    },
    actions: [tell('recovered', text)],
  };
};
