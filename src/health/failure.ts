import { describeCause, describeFailure } from './cause-text.ts';
import { isOwn } from './causes.ts';
import { CRASH_LOOP } from './decision-table.ts';
import { type Action, type HealthPolicy, type Step, tell } from './events.ts';
import { chooseCure } from './remedy.ts';
import { enter, type Health, type Incident } from './state.ts';
import type { Failing } from './types.ts';

/**
 * One more failure: it is counted, told, and, at failure #1 or at the threshold, acted on.
 * @param isCrash its process has gone, too
 */
export const fail = (
  before: Health,
  verdict: Failing,
  atMs: number,
  policy: HealthPolicy,
  isCrash: boolean,
): Step => {
  const failures = countFailure(before, verdict);
  const isReached = failures.consecutive >= policy.failureThreshold;
  const isActedOn = verdict.at === 'once' || isReached || before.state === 'down';
  const isAlert = failures.sinceHealthy >= policy.failureThreshold && !before.incident?.alerted;
  const failed: Health = {
    ...enter(
      isCrash ? countCrash(before, atMs) : before,
      isActedOn ? 'down' : 'degraded',
      verdict.cause,
      atMs,
    ),
    failures,
    successes: 0,
    incident: worsen(before, verdict, atMs, isAlert),
  };
  const isDue = verdict.at === 'once' || isReached;
  const cure = isDue ? chooseCure(failed, verdict, atMs, policy) : { health: failed, actions: [] };
  return {
    health: cure.health,
    actions: [...tellFailure(failures, verdict, policy, isAlert), ...cure.actions],
  };
};

const countFailure = ({ failures, incident }: Health, { cause }: Failing): Health['failures'] => {
  // A proxy that has just begun to fail is not to be restarted for what its upstream has done before.
  const isNews = incident !== null && isOwn(incident.cause) !== isOwn(cause);
  return {
    consecutive: (isNews ? 0 : failures.consecutive) + 1,
    sinceHealthy: failures.sinceHealthy + 1,
    total: failures.total + 1,
  };
};

/** The incident goes on, or begins. */
const worsen = ({ incident, pid }: Health, { cause }: Failing, atMs: number, isAlert: boolean): Incident => {
  const known = incident ?? { atMs, pid, cures: [], alerted: false, isOwn: false };
  return {
    ...known,
    cause,
    backAtMs: null,
    alerted: known.alerted || isAlert,
    isOwn: known.isOwn || isOwn(cause),
  };
};

const tellFailure = (
  { consecutive, sinceHealthy }: Health['failures'],
  { cause }: Failing,
  policy: HealthPolicy,
  isAlert: boolean,
): readonly Action[] => {
  const isTold = sinceHealthy <= policy.failureThreshold || sinceHealthy % TELL_EVERY === 0;
  const failure = tell('failure', `⚠️  ${describeFailure(cause, policy, consecutive)}`);
  const alert = tell(
    'alert',
    `🚨 ALERT: ${describeCause(cause, policy)}: ${sinceHealthy} failures since it was last healthy`,
  );
  return [...(isTold ? [failure] : []), ...(isAlert ? [alert] : [])];
};

/** After the threshold, one line in so many failures is enough. */
const TELL_EVERY = 60;

const countCrash = (health: Health, atMs: number): Health =>
  health.pid === null || health.pid === health.crashedPid
    ? health
    : {
        ...health,
        restarts: { ...health.restarts, crash: health.restarts.crash + 1 },
        crashedPid: health.pid,
        crashesMs: [...health.crashesMs, atMs].slice(-CRASH_LOOP.crashes),
      };
