import { describeCause, describeFailure } from './cause-text.ts';
import { isListenFault, isProxyFault } from './causes.ts';
import { CRASH_LOOP } from './decision-table.ts';
import { type Action, type CheckEvent, type HealthPolicy, logAction, type Transition } from './events.ts';
import { chooseRemedy } from './remedy.ts';
import { type Health, type Incident, setState } from './state.ts';
import type { FailingVerdict } from './types.ts';

type ReasonTexts = Pick<CheckEvent, 'listenProblem' | 'listenAdvice' | 'startProblem' | 'startAdvice'>;

/**
 * Counts and logs a failure, and chooses a remedy when one is due: at failure #1 or at the threshold, as the verdict
 * says.
 * @param isCrash its process has ended as well, which is counted by itself
 * @param reasons why it does not have all its addresses, or cannot be started, and what to do. Default: nothing is known
 */
export const onFailure = (
  previous: Health,
  verdict: FailingVerdict,
  now: number,
  policy: HealthPolicy,
  isCrash: boolean,
  reasons: ReasonTexts = {},
): Transition => {
  const failures = countFailure(previous, verdict);
  const isRemedyDue = verdict.actAt === 'first_failure' || failures.consecutive >= policy.failureThreshold;
  const state = isRemedyDue || previous.state === 'down' ? verdict.state : 'degraded';
  const shouldAlert = failures.sinceHealthy >= policy.failureThreshold && !previous.incident?.alerted;
  const incident = updateIncident(previous, verdict, now, shouldAlert, policy.upstream);
  const shouldLog = isLogDue(incident, failures, policy);
  const afterCrash = isCrash ? countCrash(previous, now) : previous;
  const updated: Health = {
    ...setState(afterCrash, state, verdict.cause, now),
    failures,
    successes: 0,
    incident: shouldLog ? nameCause(incident) : incident,
  };
  const transition = isRemedyDue
    ? chooseRemedy(updated, verdict, now, policy)
    : { health: updated, actions: [] };
  return {
    health: transition.health,
    actions: [
      ...failureLogActions(previous, failures, verdict, reasons, policy, { shouldLog, shouldAlert }),
      ...transition.actions,
    ],
  };
};

const countFailure = ({ failures, incident }: Health, { cause }: FailingVerdict): Health['failures'] => {
  // A proxy that has just begun to fail must not be restarted because of earlier failures of its upstream.
  const hasFaultMoved = incident !== null && isProxyFault(incident.cause) !== isProxyFault(cause);
  return {
    consecutive: (hasFaultMoved ? 0 : failures.consecutive) + 1,
    sinceHealthy: failures.sinceHealthy + 1,
    total: failures.total + 1,
  };
};

/** Continues the incident, or begins one. */
const updateIncident = (
  { incident, pid }: Health,
  { cause }: FailingVerdict,
  now: number,
  shouldAlert: boolean,
  upstream: string,
): Incident => {
  const current = incident ?? {
    startedAt: now,
    pid,
    upstream,
    loggedCauses: [],
    actions: [],
    alerted: false,
    isProxyFault: false,
  };
  return {
    ...current,
    lastFailedAt: now,
    cause,
    causeFailures: incident?.cause === cause ? incident.causeFailures + 1 : 1,
    recoveringSince: null,
    alerted: current.alerted || shouldAlert,
    isProxyFault: current.isProxyFault || isProxyFault(cause),
  };
};

/**
 * True when the failure has a line: past the threshold only each LOG_EVERY-th, and a change of the cause. A cause that the log
 * has named before is named again when it has lasted for `failureThreshold` failures, so that two which alternate do not fill
 * the log.
 */
const isLogDue = (
  { cause, causeFailures, loggedCauses }: Incident,
  { sinceHealthy }: Health['failures'],
  { failureThreshold }: HealthPolicy,
): boolean =>
  sinceHealthy <= failureThreshold ||
  sinceHealthy % LOG_EVERY === 0 ||
  !loggedCauses.includes(cause) ||
  (loggedCauses.at(-1) !== cause && causeFailures >= failureThreshold);

const LOG_EVERY = 60;

const nameCause = (incident: Incident): Incident => ({
  ...incident,
  loggedCauses: [...incident.loggedCauses.filter((cause) => cause !== incident.cause), incident.cause],
});

/** The line of the failure, and the alert of the incident. Only the first line after a change of the cause has the advice. */
const failureLogActions = (
  { incident }: Health,
  { consecutive, sinceHealthy }: Health['failures'],
  { cause }: FailingVerdict,
  reasons: ReasonTexts,
  policy: HealthPolicy,
  { shouldLog, shouldAlert }: { readonly shouldLog: boolean; readonly shouldAlert: boolean },
): readonly Action[] => {
  const { problem, advice } = reasonOf(cause, reasons);
  const parts = [problem, incident?.cause === cause ? null : advice].filter((part) => part != null);
  const reason = problem ? `: ${parts.join('. ')}` : '';
  const failure = logAction('failure', `⚠️  ${describeFailure(cause, policy, consecutive)}${reason}`);
  const alert = logAction(
    'alert',
    `🚨 ALERT: ${describeCause(cause, policy)}: ${sinceHealthy} failures since it was last healthy`,
  );
  return [...(shouldLog ? [failure] : []), ...(shouldAlert ? [alert] : [])];
};

const reasonOf = (
  cause: FailingVerdict['cause'],
  { listenProblem, listenAdvice, startProblem, startAdvice }: ReasonTexts,
) => {
  if (cause === 'cannot_start') return { problem: startProblem, advice: startAdvice };
  return isListenFault(cause) ? { problem: listenProblem, advice: listenAdvice } : {};
};

/** Counts the crash of each process once, although the control connection and PM2's list may both report it. */
const countCrash = (health: Health, now: number): Health =>
  health.pid === null || health.pid === health.crashedPid
    ? health
    : {
        ...health,
        restarts: { ...health.restarts, crash: health.restarts.crash + 1 },
        crashedPid: health.pid,
        crashedAt: [...health.crashedAt, now].slice(-CRASH_LOOP.threshold),
      };
