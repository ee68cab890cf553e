import type { Delivery } from '../delivery.ts';
import type { ActiveAlert } from './notification.ts';
import { isDue, retryDelayMs } from './retry.ts';

/** An active alert is sent again after this time: without that, Alertmanager ends it after 5 minutes. */
const RESEND_INTERVAL_MS = 60_000;

/** The list that a state channel has accepted, and the time of the next try. */
export interface SyncState {
  /** The list of alerts that it accepted last, as JSON. */
  readonly lastAccepted: string;
  /** Failed tries in a row. */
  readonly attempts: number;
  /** Wall-clock milliseconds. */
  readonly nextAttemptAt: number;
  /** Why the last try failed; null when it succeeded. */
  readonly problem: string | null;
}

export const NEVER_SENT: SyncState = { lastAccepted: '[]', attempts: 0, nextAttemptAt: 0, problem: null };

/** True when the list is to be sent now: at each change, and every {@link RESEND_INTERVAL_MS} while an alert is active. */
export const shouldSend = (
  { lastAccepted, attempts, nextAttemptAt }: SyncState,
  alerts: readonly ActiveAlert[],
  now: number,
): boolean =>
  alerts.length > 0 &&
  (isDue(nextAttemptAt, now) || (attempts === 0 && JSON.stringify(alerts) !== lastAccepted));

/** The state after one try. A list that is refused for good is sent again after the interval: it may have changed by then. */
export const afterSend = (
  previous: SyncState,
  alerts: readonly ActiveAlert[],
  delivery: Delivery,
  now: number,
  random: number,
): SyncState => {
  const lastAccepted = JSON.stringify(alerts);
  if (delivery.ok)
    return { lastAccepted, attempts: 0, nextAttemptAt: now + RESEND_INTERVAL_MS, problem: null };
  const { problem, retryAfterMs, isFinal } = delivery;
  if (isFinal) return { lastAccepted, attempts: 0, nextAttemptAt: now + RESEND_INTERVAL_MS, problem };
  const attempts = previous.attempts + 1;
  return {
    ...previous,
    attempts,
    nextAttemptAt: now + retryDelayMs(attempts, retryAfterMs, random),
    problem,
  };
};
