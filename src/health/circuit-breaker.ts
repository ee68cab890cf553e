import type * as v from 'valibot';
import { backoffMs } from '../lib/backoff.ts';
import { isWithin } from '../lib/duration.ts';
import { count, fields, instant, listOf, withDefault } from '../lib/stored-fields.ts';

export const circuitBreakerSchema = fields({
  /** The times of the remedies within the last `restartWindowMs`; only these count against `maxRestarts`. */
  restartedAt: listOf(instant),
  /** The number of remedies since the last recovery. It sets the next pause and picks the next remedy. */
  attempts: count,
  /** No remedy is allowed before this time; 0: none is pending. */
  nextRestartAt: instant,
  /** 0 while the breaker is closed. Otherwise 1, plus the number of attempts since it opened; a recovery resets it. */
  openCount: count,
  /** The number of remedies in a row that could not even be begun. It sets the pause before the next try. */
  untriedCount: withDefault(count, 0),
});

/**
 * Limits how often a port is restarted; remedy.ts asks it before each remedy. It is closed while restarts are within
 * {@link RestartPolicy.maxRestarts}. It opens when they are used up, and then allows single attempts with long pauses
 * until one of them helps. Times are wall-clock milliseconds.
 */
export type CircuitBreaker = v.InferOutput<typeof circuitBreakerSchema>;

export interface RestartPolicy {
  /** At most this many restarts within `restartWindowMs`; default 10; 0: the port is never restarted. */
  readonly maxRestarts: number;
  /** The time for which a restart counts against `maxRestarts`; default 10 min. */
  readonly restartWindowMs: number;
  /** The first pause after the breaker opens; it doubles up to MAX_COOLDOWN_MS, 10 min; default 1 min. */
  readonly restartCooldownMs: number;
}

export const CLOSED: CircuitBreaker = {
  restartedAt: [],
  attempts: 0,
  nextRestartAt: 0,
  openCount: 0,
  untriedCount: 0,
};

/** While the breaker is closed, the next remedy is tried 1 s, 2 s, 4 s … 30 s after one that did not help. */
const RESTART_BACKOFF = { minMs: 1_000, maxMs: 30_000 };
const MAX_COOLDOWN_MS = 600_000;

/**
 * Decides whether a remedy may be done now.
 * - `allow`: yes
 * - `backoff`: no, the pause is not over, or `maxRestarts` is 0
 * - `open`: no, `maxRestarts` is used up; the caller opens the breaker with {@link openBreaker}
 */
export const askBreaker = (
  breaker: CircuitBreaker,
  now: number,
  policy: RestartPolicy,
): 'allow' | 'backoff' | 'open' => {
  // A pause that would last longer than the longest one was set before the clock was set back, and is ignored.
  const isEarly = now < breaker.nextRestartAt && breaker.nextRestartAt - now <= maxCooldownMs(policy);
  if (policy.maxRestarts === 0 || isEarly) return 'backoff';
  if (breaker.openCount > 0) return 'allow';
  return recentRestarts(breaker, now, policy).length < policy.maxRestarts ? 'allow' : 'open';
};

/** A `restartCooldownMs` above MAX_COOLDOWN_MS is kept as it is, and not doubled. */
const maxCooldownMs = ({ restartCooldownMs }: RestartPolicy): number =>
  Math.max(restartCooldownMs, MAX_COOLDOWN_MS);

/** Opens the breaker, or opens it once more after an attempt: each time the pause is twice as long. */
export const openBreaker = (breaker: CircuitBreaker, now: number, policy: RestartPolicy): CircuitBreaker => {
  const cooldown = { minMs: policy.restartCooldownMs, maxMs: maxCooldownMs(policy) };
  return {
    ...breaker,
    openCount: breaker.openCount + 1,
    nextRestartAt: now + backoffMs(cooldown, breaker.openCount),
  };
};

/** Counts a remedy, whether or not PM2 could do it; the checks that follow show whether it helped. */
export const afterRestart = (breaker: CircuitBreaker, now: number, policy: RestartPolicy): CircuitBreaker => {
  const counted = {
    ...breaker,
    restartedAt: [...recentRestarts(breaker, now, policy), now],
    attempts: breaker.attempts + 1,
    untriedCount: 0,
    nextRestartAt: now + backoffMs(RESTART_BACKOFF, breaker.attempts),
  };
  return breaker.openCount > 0 ? openBreaker(counted, now, policy) : counted;
};

/** Puts off a remedy that could not even be begun, as PM2 could not be asked. It counts against no limit. */
export const afterUntried = (breaker: CircuitBreaker, now: number): CircuitBreaker => ({
  ...breaker,
  untriedCount: breaker.untriedCount + 1,
  nextRestartAt: now + backoffMs(RESTART_BACKOFF, breaker.untriedCount),
});

/**
 * Closes the breaker, and resets the pauses. The restarts are forgotten only when an attempt of the open breaker
 * helped, which `openCount` above 1 shows. A port that came back without one may fail again as soon, so its restarts
 * count until their window is over.
 */
export const afterRecovery = (breaker: CircuitBreaker): CircuitBreaker =>
  breaker.attempts === 0 && breaker.openCount === 0 && breaker.untriedCount === 0
    ? breaker
    : { ...CLOSED, restartedAt: breaker.openCount > 1 ? [] : breaker.restartedAt };

const recentRestarts = (
  { restartedAt }: CircuitBreaker,
  now: number,
  { restartWindowMs }: RestartPolicy,
): readonly number[] => restartedAt.filter((at) => isWithin(at, now, restartWindowMs));
