import type { Delivery } from './delivery.ts';

/** The longest time for one try, the answer included. */
export const ATTEMPT_TIMEOUT_MS = 10_000;

type Failure = Extract<Delivery, { ok: false }>;

/** A failed delivery that is tried again, unless `changes` say otherwise. */
export const failure = (
  problem: string,
  changes: Partial<Omit<Failure, 'ok' | 'problem'>> = {},
): Failure => ({
  ok: false,
  problem,
  retryAfterMs: null,
  isFinal: false,
  ...changes,
});

/**
 * Tries once; never rejects.
 * @param callerSignal aborts when the monitor stops
 * @param timeoutMs the longest time for the try
 * @param attempt must settle soon after its signal aborts, at the time-out or with the caller
 * @param describe makes a failure of another error
 */
export const attemptDelivery = async (
  callerSignal: AbortSignal,
  timeoutMs: number,
  attempt: (signal: AbortSignal) => Promise<Delivery>,
  describe: (error: unknown) => Failure,
): Promise<Delivery> => {
  // AbortSignal.any with AbortSignal.timeout is garbage-collected before it fires (https://github.com/nodejs/node/issues/57736).
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    abort();
  }, timeoutMs);
  callerSignal.addEventListener('abort', abort);
  if (callerSignal.aborted) abort();
  try {
    return await attempt(controller.signal);
  } catch (error) {
    if (isTimedOut) return failure(`timed out after ${timeoutMs / 1_000} s`);
    return callerSignal.aborted ? failure('given up, since the monitor stops') : describe(error);
  } finally {
    clearTimeout(timer);
    callerSignal.removeEventListener('abort', abort);
  }
};
