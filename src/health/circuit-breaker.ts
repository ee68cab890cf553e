import { isWithin } from '../lib/duration.ts';

/** How often a port may be restarted; remedy.ts asks before each cure. Times are wall-clock milliseconds. */
export interface CircuitBreaker {
  /** The cures within the window of the budget. */
  readonly restartedAt: readonly number[];
  /** Cures since the last recovery. */
  readonly attempts: number;
  /** The next one not before then. */
  readonly nextRestartAt: number;
  /** 0: closed. Otherwise how often it has opened since the last recovery. */
  readonly openCount: number;
}

export interface RestartPolicy {
  /** At most so many restarts within `restartWindowMs`; 0: none at all. */
  readonly maxRestarts: number;
  readonly restartWindowMs: number;
  /** When the budget is spent, one try after so long, then after twice that … at most 10 min. */
  readonly restartCooldownMs: number;
}

export const CLOSED: CircuitBreaker = { restartedAt: [], attempts: 0, nextRestartAt: 0, openCount: 0 };

/** A cure that did not help is tried again after 1 s, 2 s, 4 s … at most 30 s. */
const MIN_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 30_000;
const MAX_COOLDOWN_MS = 600_000;

/** `cure`: now. `wait`: later, or never. `give_up`: the budget is spent, and the breaker is to be opened. */
export const askBreaker = (
  breaker: CircuitBreaker,
  now: number,
  policy: RestartPolicy,
): 'allow' | 'backoff' | 'open' => {
  const isEarly = now < breaker.nextRestartAt && breaker.nextRestartAt - now <= maxCooldownMs(policy);
  if (policy.maxRestarts === 0 || isEarly) return 'backoff';
  if (breaker.openCount > 0) return 'allow';
  return recentRestarts(breaker, now, policy).length < policy.maxRestarts ? 'allow' : 'open';
};

const maxCooldownMs = ({ restartCooldownMs }: RestartPolicy): number =>
  Math.max(restartCooldownMs, MAX_COOLDOWN_MS);

export const openBreaker = (breaker: CircuitBreaker, now: number, policy: RestartPolicy): CircuitBreaker => {
  const cooldownMs = Math.min(policy.restartCooldownMs * 2 ** breaker.openCount, maxCooldownMs(policy));
  return { ...breaker, openCount: breaker.openCount + 1, nextRestartAt: now + cooldownMs };
};

/** After a cure, whether it worked or not: it shows at the next looks whether it helped. */
export const afterRestart = (breaker: CircuitBreaker, now: number, policy: RestartPolicy): CircuitBreaker => {
  const backoffMs = Math.min(MIN_BACKOFF_MS * 2 ** breaker.attempts, MAX_BACKOFF_MS);
  const counted = {
    ...breaker,
    restartedAt: [...recentRestarts(breaker, now, policy), now],
    attempts: breaker.attempts + 1,
    nextRestartAt: now + backoffMs,
  };
  return breaker.openCount > 0 ? openBreaker(counted, now, policy) : counted;
};

/**
 * What was spent stays spent until its time is over, unless it was the try of an open breaker that helped: each try
 * opens it once more. A port that comes back without one may be gone again as soon.
 */
export const afterRecovery = (breaker: CircuitBreaker): CircuitBreaker =>
  breaker.attempts === 0 && breaker.openCount === 0
    ? breaker
    : { ...CLOSED, restartedAt: breaker.openCount > 1 ? [] : breaker.restartedAt };

const recentRestarts = (
  { restartedAt }: CircuitBreaker,
  now: number,
  { restartWindowMs }: RestartPolicy,
): readonly number[] => restartedAt.filter((at) => isWithin(at, now, restartWindowMs));
