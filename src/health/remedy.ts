/**
 * Chooses the remedy for a failure, and counts it when it is done.
 *
 * Why is a port not restarted? One of these reasons applies, in the order in which they are decided; each names the
 * file that decides it (paths are from src/).
 *
 * The check leads to no verdict:
 * - The control connection ended during the check, so the evidence is about a process that is gone:
 *   monitor/checks/collect.ts (`isOutdated`) finds that out, monitor/proxy-monitor.ts drops the evidence.
 * - The monitor was stopped during the check: monitor/proxy-monitor.ts
 * - The check came late, as the monitor was busy or the machine slept: lib/timers/periodic-task.ts, health/decision-table.ts
 * - Too little is known: health/decision-table.ts. The silence of a process that gets no CPU counts as not known:
 *   monitor/checks/proxy.ts, system/proc/cpu-starvation.ts. So does a time-out that fired late: ipc/heartbeat.ts
 * - The process ended, or PM2 shows it as given up for the first time, and PM2's list is not from 100 ms later:
 *   monitor/proxy-monitor.ts, `#onEnd`
 *
 * The verdict is no failure (health/decision-table.ts):
 * - The operator stopped or deleted it in PM2. What counts as deleted: monitor/checks/pm2.ts
 * - PM2 is launching it.
 * - The upstream is off, and may be (`optional`).
 * - The upstream itself listens on the port.
 * - A limit is off, is one that only warns, or was exceeded for too short a time: health/resource-limits.ts
 *
 * The failure has no remedy (health/decision-table.ts):
 * - What PM2 needs to start it is missing (`cannot_start`).
 * - The upstream is at fault (`upstream_down`, `upstream_unhealthy`).
 * - Another process holds the port (`port_in_use`), or the system refuses it (`not_listening`).
 * - It crashes again and again (`crash_loop`), or PM2 restarts it by itself (`crashed`); health/reducer.ts for a crash
 *   that the control connection reports.
 * - Its process waits for the kernel, and SIGKILL would wait too (`blocked_in_kernel`).
 *
 * The failure does not count yet:
 * - The upstream was not probed since the check before: health/reducer.ts, applyVerdict
 * - It was started or restarted less than GRACE_MS ago, or it announced its shutdown: health/reducer.ts, isWithinGrace
 * - There are fewer failures in a row than `failureThreshold`: health/failure.ts. `failures.consecutive` in
 *   health/state.ts lists what resets them.
 *
 * The remedy is due, but is not allowed:
 * - Most ports fail at once, so the machine is suspected: health/mass-failure.ts, called in monitor/monitor.ts. The
 *   causes that this holds back: {@link chooseRemedy}
 * - The pause after the last remedy is not over: health/circuit-breaker.ts
 * - `maxRestarts` is used up or 0: health/circuit-breaker.ts
 *
 * The remedy is another one, or is not carried out:
 * - The first remedy of a proxy that does not listen or accept is to listen again: health/decision-table.ts
 * - Another action is under way, or the app is not one of this config: monitor/recovery.ts
 * - PM2 cannot be reached, or the operator stopped or deleted it since the check: pm2/restart.ts
 */

import { formatDuration } from '../lib/duration.ts';
import { isLoadSensitive } from './causes.ts';
import { afterRestart, afterUntried, askBreaker, openBreaker } from './circuit-breaker.ts';
import {
  type CheckEvent,
  type HealthEvent,
  type HealthPolicy,
  logAction,
  type Transition,
} from './events.ts';
import { GRACE_MS, type Health, MAX_HISTORY } from './state.ts';
import type { Cause, FailingVerdict } from './types.ts';

/**
 * The next remedy of the verdict, if the circuit breaker allows one. The first one is followed by the second when it
 * has not helped, and so on; the last one is repeated.
 */
export const chooseRemedy = (
  health: Health,
  { cause, remedies }: FailingVerdict,
  now: number,
  policy: HealthPolicy,
): Transition => {
  const remedy = remedies[Math.min(health.breaker.attempts, remedies.length - 1)];
  const isPaused = policy.restartsPaused && isLoadSensitive(cause);
  if (remedy === undefined || isPaused) return { health, actions: [] };
  const decision = askBreaker(health.breaker, now, policy);
  if (decision === 'backoff') return { health, actions: [] };
  if (decision === 'open') return giveUp(health, now, policy);
  const text =
    remedy === 'relisten'
      ? `Asking the proxy for ${policy.place} to listen again...`
      : `Attempting to restart proxy for ${policy.place}...`;
  return { health, actions: [logAction('restart', text), { kind: 'remedy', remedy, cause }] };
};

/** Opens the circuit breaker, which is logged the first time since the last recovery. */
const giveUp = (health: Health, now: number, policy: HealthPolicy): Transition => {
  const { place, maxRestarts, restartWindowMs } = policy;
  const breaker = openBreaker(health.breaker, now, policy);
  const window = formatDuration(restartWindowMs);
  const pause = formatDuration(breaker.nextRestartAt - now);
  const text = `🚨 ALERT: Gave up on the proxy for ${place}: ${maxRestarts} restarts within ${window} did not help; next try in ${pause}`;
  const isFirst = health.breaker.openCount === 0;
  return {
    health: { ...health, breaker },
    actions: isFirst ? [logAction('restart_limit_reached', text)] : [],
  };
};

/** Counts a remedy that was carried out, or could not be. A kill is neither counted nor limited. */
export const onRemedyDone = (
  health: Health,
  event: Extract<HealthEvent, { kind: 'remedy_done' }>,
  policy: HealthPolicy,
): Transition => {
  if (event.remedy === 'kill') {
    const text = `❌ Could not kill the proxy for ${policy.place}: ${event.error}`;
    return { health, actions: event.error === null ? [] : [logAction('restart_failed', text)] };
  }
  if (event.isUntried) {
    const text = `❌ Restart of proxy for ${policy.place} failed: ${event.error}`;
    return {
      health: { ...health, breaker: afterUntried(health.breaker, event.at) },
      actions: [logAction('restart_failed', text)],
    };
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

/** @param cause the present one: it may have changed while the restart was under way */
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
 * Kills a process that PM2 is stopping and that does not exit, each process once. It counts as neither a failure nor a
 * restart, and its end is expected, as after an announced shutdown.
 */
export const killStopping = (
  health: Health,
  { pid, at }: CheckEvent,
  { place }: HealthPolicy,
): Transition => {
  if (pid === null || pid === health.killedPid) return { health, actions: [] };
  const text = `Killing the proxy for ${place} (PID: ${pid}): PM2 is stopping it, and it does not leave`;
  return {
    health: { ...health, killedPid: pid, isShuttingDown: true, graceEndsAt: at + GRACE_MS },
    actions: [logAction('force_killed', text), { kind: 'remedy', remedy: 'kill', cause: null }],
  };
};
