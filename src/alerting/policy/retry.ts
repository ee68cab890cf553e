import { type Backoff, backoffMs } from '../../lib/backoff.ts';

/** A receiver that asks for more time gets this much. */
export const MAX_RETRY_AFTER_MS = 3_600_000;
/** A failed delivery is tried again after 1 s, 2 s, 4 s … at most 5 min; later when the receiver asks for that. */
const BACKOFF: Backoff = { minMs: 1_000, maxMs: 300_000 };
/** The part of the pause that is random, so that several senders do not retry at once. */
const JITTER = 0.25;

/**
 * True when the time has come. A time further ahead than {@link MAX_RETRY_AFTER_MS} was computed before the clock was set
 * back.
 */
export const isDue = (dueAt: number, now: number): boolean =>
  dueAt <= now || dueAt - now > MAX_RETRY_AFTER_MS;

/**
 * The pause before the next try, in milliseconds.
 * @param attempts how many tries have failed, at least 1
 * @param retryAfterMs what the receiver asks for, of which at most {@link MAX_RETRY_AFTER_MS} count; null when it asks for
 * nothing
 * @param random 0 to 1: how much of {@link JITTER} is taken off the pause
 */
export const retryDelayMs = (attempts: number, retryAfterMs: number | null, random: number): number => {
  const jitteredMs = Math.round(backoffMs(BACKOFF, attempts - 1) * (1 - JITTER * random));
  return Math.max(jitteredMs, Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
};
