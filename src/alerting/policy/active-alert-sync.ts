import { backoffMs, isDue } from './delivery-queue.ts';
import type { ActiveAlert, Delivery } from './notification.ts';

/** What goes on is told again so often: Alertmanager takes it for over after 5 minutes without a word. */
const RESEND_INTERVAL_MS = 60_000;

/** Where a level channel stands. */
export interface SyncState {
  /** The list that it took last. */
  readonly lastAccepted: string;
  readonly attempts: number;
  readonly nextAttemptAt: number;
  readonly problem: string | null;
}

export const NEVER_SENT: SyncState = { lastAccepted: '[]', attempts: 0, nextAttemptAt: 0, problem: null };

/** Whether it is to be told now: at each change, and while something goes on every {@link RESEND_INTERVAL_MS}. */
export const shouldSend = (
  { lastAccepted, attempts, nextAttemptAt }: SyncState,
  alerts: readonly ActiveAlert[],
  now: number,
): boolean =>
  alerts.length > 0 &&
  (isDue(nextAttemptAt, now) || (attempts === 0 && JSON.stringify(alerts) !== lastAccepted));

/** After one try. A list that will never be taken as it is may be another one soon. */
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
  return { ...previous, attempts, nextAttemptAt: now + backoffMs(attempts, retryAfterMs, random), problem };
};
