import { formatDuration } from '../lib/duration.ts';
import { isLoadSensitive } from './causes.ts';
import { afterRestart, askBreaker, openBreaker } from './circuit-breaker.ts';
import {
  type CheckEvent,
  type HealthEvent,
  type HealthPolicy,
  logAction,
  type Transition,
} from './events.ts';
import { GRACE_MS, type Health, MAX_HISTORY } from './state.ts';
import type { Cause, FailingVerdict } from './types.ts';

/** The next cure of the verdict's, when the budget allows one. */
export const chooseRemedy = (
  health: Health,
  { cause, remedies }: FailingVerdict,
  now: number,
  policy: HealthPolicy,
): Transition => {
  const remedy = remedies[Math.min(health.breaker.attempts, remedies.length - 1)];
  if (remedy === undefined || (policy.restartsPaused && isLoadSensitive(cause)))
    return { health, actions: [] };
  const { place, maxRestarts, restartWindowMs } = policy;
  const decision = askBreaker(health.breaker, now, policy);
  if (decision === 'backoff') return { health, actions: [] };
  if (decision === 'open') {
    const breaker = openBreaker(health.breaker, now, policy);
    const failedRestarts = `${maxRestarts} restarts within ${formatDuration(restartWindowMs)} did not help`;
    const text = `🚨 ALERT: Gave up on the proxy for ${place}: ${failedRestarts}; next try in ${formatDuration(breaker.nextRestartAt - now)}`;
    const isFirst = health.breaker.openCount === 0;
    return {
      health: { ...health, breaker },
      actions: isFirst ? [logAction('restart_limit_reached', text)] : [],
    };
  }
  const text =
    remedy === 'relisten'
      ? `Asking the proxy for ${place} to listen again...`
      : `Attempting to restart proxy for ${place}...`;
  return { health, actions: [logAction('restart', text), { kind: 'remedy', remedy, cause }] };
};

export const onRemedyDone = (
  health: Health,
  event: Extract<HealthEvent, { kind: 'remedy_done' }>,
  policy: HealthPolicy,
): Transition => {
  if (event.remedy === 'kill') {
    const text = `❌ Could not kill the proxy for ${policy.place}: ${event.error}`;
    return { health, actions: event.error === null ? [] : [logAction('restart_failed', text)] };
  }
  const { incident } = health;
  const attempted: Health = {
    ...health,
    breaker: afterRestart(health.breaker, event.at, policy),
    incident: incident && { ...incident, actions: [...incident.actions, event.remedy].slice(-MAX_HISTORY) },
  };
  if (event.error !== null)
    return {
      health: attempted,
      actions: [
        logAction('restart_failed', `❌ Restart of proxy for ${policy.place} failed: ${event.error}`),
      ],
    };
  const isRestart = event.remedy === 'force_restart' || event.remedy === 'restart';
  return {
    health: {
      ...(isRestart ? countForcedRestart(attempted, incident?.cause ?? null) : attempted),
      graceEndsAt: event.at + GRACE_MS,
      failures: { ...health.failures, consecutive: 0 },
    },
    actions: [],
  };
};

/** @param cause what it is of now: while the cure went on, another one may have come to light */
const countForcedRestart = (health: Health, cause: Cause | null): Health => ({
  ...health,
  crashedPid: health.pid,
  restarts: { ...health.restarts, forced: health.restarts.forced + 1 },
  forcedByCause:
    cause === null
      ? health.forcedByCause
      : { ...health.forcedByCause, [cause]: (health.forcedByCause[cause] ?? 0) + 1 },
});

/**
 * What PM2 is stopping and what does not go: each process once. It is no failure, and no restart; its end is as good as
 * one with a goodbye.
 */
export const killStopping = (
  health: Health,
  { pid, at }: CheckEvent,
  { place }: HealthPolicy,
): Transition => {
  if (pid === null || pid === health.killedPid) return { health, actions: [] };
  const text = `Killing the proxy for ${place} (PID: ${pid}): PM2 is stopping it, and it does not leave`;
  return {
    health: { ...health, killedPid: pid, hasLeft: true, graceEndsAt: at + GRACE_MS },
    actions: [logAction('force_killed', text), { kind: 'remedy', remedy: 'kill', cause: null }],
  };
};
