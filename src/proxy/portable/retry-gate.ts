/**
 * Shared by the clients that wait for the same upstream. One of them tries at a time; when it connects, the others
 * follow at once. If each tried by itself, a thousand clients would dial two thousand times a second.
 */
export interface RetryGate {
  /** True while a client that waits tries to connect. */
  isDialing: boolean;
  lastTriedAt: number;
  /** One function for each client that waits: it lets the client try at once. */
  readonly wakers: Set<() => void>;
}

export const createRetryGate = (): RetryGate => ({
  isDialing: false,
  lastTriedAt: Number.NEGATIVE_INFINITY,
  wakers: new Set(),
});

/**
 * Waits until this client may try again.
 * @returns false when the client has left, or when its hold ends before the next try
 */
export const waitForTurn = async (
  gate: RetryGate,
  waitMs: number,
  deadlineAt: number,
  signal: AbortSignal,
): Promise<boolean> => {
  for (;;) {
    const outcome = await waitOrWake(gate, waitMs, signal);
    if (outcome !== 'over') return outcome === 'woken';
    const now = performance.now();
    if (!gate.isDialing && now - gate.lastTriedAt >= waitMs * MIN_PAUSE_SHARE) return true;
    if (now + waitMs > deadlineAt) return false;
  }
};

/** A client may try when at least this share of its pause has passed since the last try of any client. */
const MIN_PAUSE_SHARE = 0.9;

/** Settles after `delayMs` (`over`), when another client has connected (`woken`), or by the signal (`aborted`). */
const waitOrWake = (
  gate: RetryGate,
  delayMs: number,
  signal: AbortSignal,
): Promise<'over' | 'woken' | 'aborted'> =>
  new Promise((done) => {
    const settle = (outcome: 'over' | 'woken' | 'aborted'): void => {
      clearTimeout(timer);
      gate.wakers.delete(wake);
      signal.removeEventListener('abort', abort);
      done(outcome);
    };
    const wake = (): void => settle('woken');
    const abort = (): void => settle('aborted');
    const timer = setTimeout(() => settle('over'), delayMs);
    gate.wakers.add(wake);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
