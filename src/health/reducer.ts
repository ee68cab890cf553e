import { formatDuration, isWithin } from '../lib/duration.ts';
import { addDuration } from '../lib/histogram.ts';
import { describeCause } from './cause-text.ts';
import { isFoundByProbe, isLoadSensitive } from './causes.ts';
import { afterRecovery } from './circuit-breaker.ts';
import { CRASH_LOOP, judge, warningsOf } from './decision-table.ts';
import {
  type CheckEvent,
  type CheckEvidence,
  type HealthEvent,
  type HealthPolicy,
  logAction,
  type Transition,
} from './events.ts';
import { onFailure } from './failure.ts';
import { killStopping, onRemedyDone } from './remedy.ts';
import { closeIncident, GRACE_MS, type Health, type Incident, onNewProcess, setState } from './state.ts';
import type { Evidence, FailingVerdict, Verdict } from './types.ts';

/** One event → what is known now, and what to do about it. Pure: time comes with the event. */
export const reduce = (health: Health, event: HealthEvent, policy: HealthPolicy): Transition => {
  switch (event.kind) {
    case 'crash':
      return onFailure(health, CRASH, event.at, policy, true);
    case 'goodbye':
      return { health: { ...health, hasLeft: true, graceEndsAt: event.at + GRACE_MS }, actions: [] };
    case 'remedy_done':
      return onRemedyDone(health, event, policy);
    case 'check':
      return onCheck(health, event, policy);
  }
};

/** PM2 knows of it before the monitor does, and restarts. */
const CRASH: FailingVerdict = { kind: 'failing', cause: 'crashed', remedies: [], actAt: 'first_failure' };

const onCheck = (previous: Health, event: CheckEvent, policy: HealthPolicy): Transition => {
  const current =
    event.pid === null || event.pid === previous.pid ? previous : onNewProcess(previous, event.pid, event.at);
  const evidence: Evidence = { ...event.evidence, crashes: isCrashLoop(current, event.at) ? 'loop' : 'few' };
  const verdict = judge(evidence, policy.optional);
  const afterWarnings =
    evidence.monitor === 'late'
      ? { health: current, actions: [] }
      : updateWarnings(current, evidence, policy);
  const afterVerdict = applyVerdict(afterWarnings.health, event, verdict, policy);
  return { health: afterVerdict.health, actions: [...afterWarnings.actions, ...afterVerdict.actions] };
};

const applyVerdict = (
  health: Health,
  event: CheckEvent,
  verdict: Verdict,
  policy: HealthPolicy,
): Transition => {
  switch (verdict.kind) {
    case 'healthy':
      return health.incident && isFoundByProbe(health.incident.cause) && !event.isProbed
        ? { health, actions: [] }
        : onSuccess(health, verdict, event.at, policy);
    case 'ending':
      return killStopping(onNeutral(health, verdict, event.at), event, policy);
    case 'neutral':
      return { health: onNeutral(health, verdict, event.at), actions: [] };
    case 'failing':
      if (isFoundByProbe(verdict.cause) && !event.isProbed) return { health, actions: [] };
      return isWithinGrace(health, event, verdict)
        ? { health: setState(health, 'starting', health.cause, event.at), actions: [] }
        : onFailure(health, verdict, event.at, policy, hasCrashed(event.evidence));
  }
};

/** In a crash loop, too, a process that is up for a moment has not crashed yet. */
const hasCrashed = (evidence: CheckEvidence): boolean =>
  judge({ ...evidence, crashes: 'few' }, false).cause === 'crashed';

const isCrashLoop = ({ crashedAt, processSeenAt }: Health, now: number): boolean =>
  crashedAt.filter((at) => isWithin(at, now, CRASH_LOOP.windowMs)).length >= CRASH_LOOP.threshold &&
  isWithin(processSeenAt, now, CRASH_LOOP.stableMs);

const updateWarnings = (health: Health, evidence: Evidence, policy: HealthPolicy): Transition => {
  const warnings = warningsOf(evidence);
  if (String(warnings) === String(health.warnings)) return { health, actions: [] };
  const added = warnings.filter((cause) => !health.warnings.includes(cause));
  const actions = added.map((cause) => logAction('warning', `⚠️  ${describeCause(cause, policy)}`));
  return { health: { ...health, warnings }, actions };
};

/**
 * A young process that does not answer or listen yet is starting, not failing, and so is one that has said goodbye and
 * finishes its connections. A stopped one is not on its way.
 */
const isWithinGrace = (health: Health, { at, evidence }: CheckEvent, { cause }: FailingVerdict): boolean =>
  at < health.graceEndsAt &&
  health.graceEndsAt - at <= GRACE_MS &&
  (cause === 'not_listening' ||
    (cause === 'hung' && evidence.heartbeat === 'unreachable') ||
    ((cause === 'crashed' || isLoadSensitive(cause)) && health.hasLeft) ||
    (evidence.pm2 === 'missing' && health.incident === null));

const onNeutral = (
  health: Health,
  verdict: Extract<Verdict, { kind: 'neutral' | 'ending' }>,
  now: number,
): Health => {
  if (verdict.state === 'same') return health;
  const updated = setState(health, verdict.state, verdict.cause, now);
  const { consecutive, sinceHealthy } = health.failures;
  const isClean = health.incident === null && health.successes + consecutive + sinceHealthy === 0;
  if (verdict.state === 'starting' || isClean) return updated;
  return {
    ...(health.incident ? closeIncident(updated, health.incident, now) : updated),
    successes: 0,
    failures: { ...health.failures, consecutive: 0, sinceHealthy: 0 },
  };
};

const onSuccess = (
  health: Health,
  verdict: Extract<Verdict, { kind: 'healthy' }>,
  now: number,
  policy: HealthPolicy,
): Transition => {
  const successes = Math.min(health.successes + 1, policy.successThreshold);
  const { incident } = health;
  if (incident === null) {
    // Nothing new is the very same object: the monitor writes its file when there is another one.
    const { consecutive } = health.failures;
    const breaker = afterRecovery(health.breaker);
    const isUnchanged = successes === health.successes && consecutive === 0 && breaker === health.breaker;
    const updated = isUnchanged
      ? health
      : { ...health, successes, failures: { ...health.failures, consecutive: 0 }, breaker };
    return { health: setState(updated, verdict.state, verdict.cause, now), actions: [] };
  }
  const recoveringSince = incident.recoveringSince ?? now;
  const recovering: Health = {
    ...health,
    successes,
    failures: { ...health.failures, consecutive: 0 },
    incident: { ...incident, recoveringSince },
  };
  if (successes < policy.successThreshold) return { health: recovering, actions: [] };
  return onRecovered(
    setState(recovering, verdict.state, verdict.cause, now),
    incident,
    recoveringSince,
    policy,
  );
};

const onRecovered = (
  health: Health,
  incident: Incident,
  recoveringSince: number,
  policy: HealthPolicy,
): Transition => {
  const lastMs = Math.max(0, recoveringSince - incident.startedAt);
  const { count, totalMs } = health.recovery;
  const text =
    health.pid === incident.pid
      ? `✅ Proxy for ${policy.place} is healthy again after ${formatDuration(lastMs)}`
      : `✅ Proxy for ${policy.place} started successfully (PID: ${health.pid})`;
  return {
    health: {
      ...closeIncident(health, incident, recoveringSince),
      failures: { ...health.failures, consecutive: 0, sinceHealthy: 0 },
      recovery: incident.isProxyFault
        ? { count: count + 1, lastMs, totalMs: totalMs + lastMs }
        : health.recovery,
      recoveries: incident.isProxyFault ? addDuration(health.recoveries, lastMs) : health.recoveries,
      breaker: afterRecovery(health.breaker),
    },
    actions: [logAction('recovered', text)],
  };
};
