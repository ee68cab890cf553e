/**
 * The room health: decides, from what the checks find, which state a port is in, and which remedy it needs. It is pure:
 * no I/O and no clock. An event comes in, and the new health and a list of actions come out.
 *
 * The way of an event: reduce → decision-table.ts (what the evidence means) → failure.ts (counts it) → remedy.ts
 * (chooses what to do) → circuit-breaker.ts (whether it may be done now). The monitor carries the actions out.
 */

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

/** Applies one event: gives the new health, and what to do about it. */
export const reduce = (health: Health, event: HealthEvent, policy: HealthPolicy): Transition => {
  switch (event.kind) {
    case 'crash':
      return isEndExpected(health, event.at)
        ? { health, actions: [] }
        : onFailure(health, CRASH, event.at, policy, true);
    case 'shutdown_announced':
    case 'restart_requested':
      return {
        health: { ...forgetCrashes(health), isShuttingDown: true, graceEndsAt: event.at + GRACE_MS },
        actions: [],
      };
    case 'remedy_done':
      return onRemedyDone(health, event, policy);
    case 'check':
      return onCheck(health, event, policy);
  }
};

/**
 * The verdict on a process that ended and had not announced its shutdown. It has no remedy, as PM2 knows it before the
 * monitor and restarts it.
 */
const CRASH: FailingVerdict = {
  kind: 'failing',
  cause: 'crashed',
  remedies: [],
  actAt: 'first_failure',
  state: 'down',
};

/** True for the end of a process that is counted already, or that was told to end. */
const isEndExpected = (health: Health, now: number): boolean =>
  (health.pid !== null && health.pid === health.crashedPid) ||
  (health.isShuttingDown && hasGrace(health, now));

const onCheck = (previous: Health, event: CheckEvent, policy: HealthPolicy): Transition => {
  const processed =
    event.pid === null || event.pid === previous.pid ? previous : onNewProcess(previous, event.pid, event.at);
  const current = hasRunLongEnough(processed, event) ? forgetCrashes(processed) : processed;
  const evidence: Evidence = { ...event.evidence, crashes: isCrashLoop(current, event.at) ? 'loop' : 'few' };
  const verdict = judge(evidence, policy.optional);
  const afterWarnings =
    evidence.monitor !== 'in_time'
      ? { health: current, actions: [] }
      : updateWarnings(current, evidence, policy);
  const afterVerdict = applyVerdict(afterWarnings.health, event, verdict, policy);
  return { health: afterVerdict.health, actions: [...afterWarnings.actions, ...afterVerdict.actions] };
};

/** Without a new probe result, a verdict that depends on one counts neither as a failure nor as a success. */
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
        : onFailure(health, verdict, event.at, policy, hasCrashed(event.evidence), event);
  }
};

/**
 * True when the proxy's process has ended, whether or not PM2 can start the next one. In a crash loop, a process that runs for a
 * moment has not crashed yet.
 */
const hasCrashed = (evidence: CheckEvidence): boolean =>
  judge({ ...evidence, startFiles: 'unknown', crashes: 'few' }, false).cause === 'crashed';

export const isCrashLoop = ({ crashedAt, processSeenAt }: Health, now: number): boolean =>
  crashedAt.filter((at) => isWithin(at, now, CRASH_LOOP.windowMs)).length >= CRASH_LOOP.threshold &&
  isWithin(processSeenAt, now, CRASH_LOOP.stableMs);

/** True when a process answers that no crash before it says anything about. */
const hasRunLongEnough = ({ processSeenAt }: Health, { at, evidence }: CheckEvent): boolean =>
  evidence.monitor === 'in_time' &&
  evidence.heartbeat === 'ok' &&
  !isWithin(processSeenAt, at, CRASH_LOOP.stableMs);

/** What was counted of a crash loop that is over would call the next planned restart one. */
const forgetCrashes = (health: Health): Health =>
  health.crashedAt.length === 0 ? health : { ...health, crashedAt: [] };

/** Logs each warning when it begins. */
const updateWarnings = (health: Health, evidence: Evidence, policy: HealthPolicy): Transition => {
  const warnings = warningsOf(evidence);
  if (String(warnings) === String(health.warnings)) return { health, actions: [] };
  const added = warnings.filter((cause) => !health.warnings.includes(cause));
  const actions = added.map((cause) => logAction('warning', `⚠️  ${describeCause(cause, policy)}`));
  return { health: { ...health, warnings }, actions };
};

/**
 * True while a failure is expected and does not count: a young process does not answer or listen yet, or one that is
 * shutting down finishes its connections. A process that is stopped by a signal has no grace, nor has an address that the system
 * refuses to whichever process asks.
 */
const isWithinGrace = (health: Health, { at, evidence }: CheckEvent, { cause }: FailingVerdict): boolean => {
  const isNotReadyYet =
    (cause === 'not_listening' && evidence.listening !== 'denied') ||
    (cause === 'hung' && evidence.heartbeat === 'unreachable');
  const isExpectedToEnd = health.isShuttingDown && (cause === 'crashed' || isLoadSensitive(cause));
  const isNotListedYet = evidence.pm2 === 'missing' && health.incident === null;
  return hasGrace(health, at) && (isNotReadyYet || isExpectedToEnd || isNotListedYet);
};

/** An end of the grace that is further away than GRACE_MS was set before the clock was set back. */
const hasGrace = ({ graceEndsAt }: Health, now: number): boolean =>
  now < graceEndsAt && graceEndsAt - now <= GRACE_MS;

/**
 * A stop ends the incident and resets the counts, and so does waiting for an optional upstream. A start does neither,
 * as it may be a part of the recovery.
 */
const onNeutral = (
  health: Health,
  verdict: Extract<Verdict, { kind: 'neutral' | 'ending' }>,
  now: number,
): Health => {
  if (verdict.state === 'same') return health;
  const updated = setState(health, verdict.state, verdict.cause, now);
  const { consecutive, sinceHealthy } = health.failures;
  const isClean = health.incident === null && health.successes + consecutive + sinceHealthy === 0;
  if (verdict.state === 'starting') return updated;
  const settled = forgetCrashes(updated);
  if (isClean) return settled;
  return {
    ...(health.incident ? closeIncident(settled, health.incident, now) : settled),
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
    const updated = setState(countSuccess(health, successes), verdict.state, verdict.cause, now);
    return { health: updated, actions: [] };
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

/**
 * A success outside an incident. The very same object when nothing is new: the monitor writes its file for another one.
 */
const countSuccess = (health: Health, successes: number): Health => {
  const { consecutive } = health.failures;
  const breaker = afterRecovery(health.breaker);
  const isUnchanged = successes === health.successes && consecutive === 0 && breaker === health.breaker;
  return isUnchanged
    ? health
    : { ...health, successes, failures: { ...health.failures, consecutive: 0 }, breaker };
};

/** Ends the incident. It has lasted until the first of the successes that ended it. */
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
