import { isWithin } from '../lib/duration.ts';

/** How often a port may be restarted; remedy.ts asks before each cure. Times are wall-clock milliseconds. */
export interface Breaker {
  /** The cures within the window of the budget. */
  readonly curesMs: readonly number[];
  /** Cures since the last recovery. */
  readonly tries: number;
  /** The next one not before then. */
  readonly nextAtMs: number;
  /** 0: closed. Otherwise how often it has opened since the last recovery. */
  readonly opened: number;
}

export interface Budget {
  /** At most so many restarts within `restartWindowMs`; 0: none at all. */
  readonly maxRestarts: number;
  readonly restartWindowMs: number;
  /** When the budget is spent, one try after so long, then after twice that … at most 10 min. */
  readonly restartCooldownMs: number;
}

export const CLOSED: Breaker = { curesMs: [], tries: 0, nextAtMs: 0, opened: 0 };

/** A cure that did not help is tried again after 1 s, 2 s, 4 s … at most 30 s. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const LONGEST_BREAK_MS = 600_000;

/** `cure`: now. `wait`: later, or never. `give_up`: the budget is spent, and the breaker is to be opened. */
export const askBreaker = (breaker: Breaker, atMs: number, budget: Budget): 'cure' | 'wait' | 'give_up' => {
  const isEarly = atMs < breaker.nextAtMs && breaker.nextAtMs - atMs <= longestBreakMs(budget);
  if (budget.maxRestarts === 0 || isEarly) return 'wait';
  if (breaker.opened > 0) return 'cure';
  return recent(breaker, atMs, budget).length < budget.maxRestarts ? 'cure' : 'give_up';
};

const longestBreakMs = ({ restartCooldownMs }: Budget): number =>
  Math.max(restartCooldownMs, LONGEST_BREAK_MS);

export const openBreaker = (breaker: Breaker, atMs: number, budget: Budget): Breaker => {
  const pauseMs = Math.min(budget.restartCooldownMs * 2 ** breaker.opened, longestBreakMs(budget));
  return { ...breaker, opened: breaker.opened + 1, nextAtMs: atMs + pauseMs };
};

/** After a cure, whether it worked or not: it shows at the next looks whether it helped. */
export const afterCure = (breaker: Breaker, atMs: number, budget: Budget): Breaker => {
  const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** breaker.tries, LONGEST_PAUSE_MS);
  const spent = {
    ...breaker,
    curesMs: [...recent(breaker, atMs, budget), atMs],
    tries: breaker.tries + 1,
    nextAtMs: atMs + pauseMs,
  };
  return breaker.opened > 0 ? openBreaker(spent, atMs, budget) : spent;
};

/**
 * What was spent stays spent until its time is over, unless it was the try of an open breaker that helped: each try
 * opens it once more. A port that comes back without one may be gone again as soon.
 */
export const afterRecovery = (breaker: Breaker): Breaker =>
  breaker.tries === 0 && breaker.opened === 0
    ? breaker
    : { ...CLOSED, curesMs: breaker.opened > 1 ? [] : breaker.curesMs };

const recent = ({ curesMs }: Breaker, atMs: number, { restartWindowMs }: Budget): readonly number[] =>
  curesMs.filter((oneMs) => isWithin(oneMs, atMs, restartWindowMs));
