import { formatSeconds } from '../lib/duration.ts';
import { isSoft } from './causes.ts';
import { afterCure, askBreaker, openBreaker } from './circuit-breaker.ts';
import { type HealthEvent, type HealthPolicy, type Look, type Step, tell } from './events.ts';
import { GRACE_MS, type Health, MOST_HISTORY } from './state.ts';
import type { Cause, Failing } from './types.ts';

/** The next cure of the verdict's, when the budget allows one. */
export const chooseCure = (
  health: Health,
  { cause, cures }: Failing,
  atMs: number,
  policy: HealthPolicy,
): Step => {
  const cure = cures[Math.min(health.breaker.tries, cures.length - 1)];
  if (cure === undefined || (policy.isBraked && isSoft(cause))) return { health, actions: [] };
  const { place, maxRestarts, restartWindowMs } = policy;
  const answer = askBreaker(health.breaker, atMs, policy);
  if (answer === 'wait') return { health, actions: [] };
  if (answer === 'give_up') {
    const breaker = openBreaker(health.breaker, atMs, policy);
    const spent = `${maxRestarts} restarts within ${formatSeconds(restartWindowMs)} did not help`;
    const text = `🚨 ALERT: Gave up on the proxy for ${place}: ${spent}; next try in ${formatSeconds(breaker.nextAtMs - atMs)}`;
    const isFirst = health.breaker.opened === 0;
    return { health: { ...health, breaker }, actions: isFirst ? [tell('restart_limit_reached', text)] : [] };
  }
  const text =
    cure === 'listen'
      ? `Asking the proxy for ${place} to listen again...`
      : `Attempting to restart proxy for ${place}...`;
  return { health, actions: [tell('restart', text), { kind: 'cure', cure, cause }] };
};

export const cured = (
  health: Health,
  event: Extract<HealthEvent, { kind: 'cured' }>,
  policy: HealthPolicy,
): Step => {
  if (event.cure === 'kill') {
    const text = `❌ Could not kill the proxy for ${policy.place}: ${event.error}`;
    return { health, actions: event.error === null ? [] : [tell('restart_failed', text)] };
  }
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
  return {
    health: {
      ...(isRestart ? countForced(tried, incident?.cause ?? null) : tried),
      graceUntilMs: event.atMs + GRACE_MS,
      failures: { ...health.failures, consecutive: 0 },
    },
    actions: [],
  };
};

/** @param cause what it is of now: while the cure went on, another one may have come to light */
const countForced = (health: Health, cause: Cause | null): Health => ({
  ...health,
  crashedPid: health.pid,
  restarts: { ...health.restarts, forced: health.restarts.forced + 1 },
  forcedFor:
    cause === null ? health.forcedFor : { ...health.forcedFor, [cause]: (health.forcedFor[cause] ?? 0) + 1 },
});

/**
 * What PM2 is stopping and what does not go: each process once. It is no failure, and no restart; its end is as good as
 * one with a goodbye.
 */
export const kill = (health: Health, { pid, atMs }: Look, { place }: HealthPolicy): Step => {
  if (pid === null || pid === health.killedPid) return { health, actions: [] };
  const text = `Killing the proxy for ${place} (PID: ${pid}): PM2 is stopping it, and it does not leave`;
  return {
    health: { ...health, killedPid: pid, hasLeft: true, graceUntilMs: atMs + GRACE_MS },
    actions: [tell('force_killed', text), { kind: 'cure', cure: 'kill', cause: null }],
  };
};
