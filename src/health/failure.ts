import { describeCause, describeFailure } from './cause-text.ts';
import { isProxyFault } from './causes.ts';
import { CRASH_LOOP } from './decision-table.ts';
import { type Action, type HealthPolicy, logAction, type Transition } from './events.ts';
import { chooseRemedy } from './remedy.ts';
import { type Health, type Incident, setState } from './state.ts';
import type { FailingVerdict } from './types.ts';

/**
 * One more failure: it is counted, told, and, at failure #1 or at the threshold, acted on.
 * @param isCrash its process has gone, too
 */
export const onFailure = (
  previous: Health,
  verdict: FailingVerdict,
  now: number,
  policy: HealthPolicy,
  isCrash: boolean,
): Transition => {
  const failures = countFailure(previous, verdict);
  const isThresholdReached = failures.consecutive >= policy.failureThreshold;
  const isDown = verdict.actAt === 'first_failure' || isThresholdReached || previous.state === 'down';
  const shouldAlert = failures.sinceHealthy >= policy.failureThreshold && !previous.incident?.alerted;
  const updated: Health = {
    ...setState(
      isCrash ? countCrash(previous, now) : previous,
      isDown ? 'down' : 'degraded',
      verdict.cause,
      now,
    ),
    failures,
    successes: 0,
    incident: updateIncident(previous, verdict, now, shouldAlert),
  };
  const shouldAct = verdict.actAt === 'first_failure' || isThresholdReached;
  const transition = shouldAct
    ? chooseRemedy(updated, verdict, now, policy)
    : { health: updated, actions: [] };
  return {
    health: transition.health,
    actions: [...failureLogActions(failures, verdict, policy, shouldAlert), ...transition.actions],
  };
};

const countFailure = ({ failures, incident }: Health, { cause }: FailingVerdict): Health['failures'] => {
  // A proxy that has just begun to fail is not to be restarted for what its upstream has done before.
  const hasFaultMoved = incident !== null && isProxyFault(incident.cause) !== isProxyFault(cause);
  return {
    consecutive: (hasFaultMoved ? 0 : failures.consecutive) + 1,
    sinceHealthy: failures.sinceHealthy + 1,
    total: failures.total + 1,
  };
};

/** The incident goes on, or begins. */
const updateIncident = (
  { incident, pid }: Health,
  { cause }: FailingVerdict,
  startedAt: number,
  shouldAlert: boolean,
): Incident => {
  const current = incident ?? { startedAt, pid, actions: [], alerted: false, isProxyFault: false };
  return {
    ...current,
    cause,
    recoveringSince: null,
    alerted: current.alerted || shouldAlert,
    isProxyFault: current.isProxyFault || isProxyFault(cause),
  };
};

const failureLogActions = (
  { consecutive, sinceHealthy }: Health['failures'],
  { cause }: FailingVerdict,
  policy: HealthPolicy,
  shouldAlert: boolean,
): readonly Action[] => {
  const shouldLog = sinceHealthy <= policy.failureThreshold || sinceHealthy % LOG_EVERY === 0;
  const failure = logAction('failure', `⚠️  ${describeFailure(cause, policy, consecutive)}`);
  const alert = logAction(
    'alert',
    `🚨 ALERT: ${describeCause(cause, policy)}: ${sinceHealthy} failures since it was last healthy`,
  );
  return [...(shouldLog ? [failure] : []), ...(shouldAlert ? [alert] : [])];
};

/** After the threshold, one line in so many failures is enough. */
const LOG_EVERY = 60;

const countCrash = (health: Health, now: number): Health =>
  health.pid === null || health.pid === health.crashedPid
    ? health
    : {
        ...health,
        restarts: { ...health.restarts, crash: health.restarts.crash + 1 },
        crashedPid: health.pid,
        crashedAt: [...health.crashedAt, now].slice(-CRASH_LOOP.threshold),
      };
