import type { Timer, Timers } from '../../lib/timers/timer-heap.ts';
import { FIRST_RETRY_DELAY_MS, nextRetryDelayMs } from './retry-policy.ts';

export interface Waiter {
  /** Dials again, unless it is dialing; {@link RetryGate.onFailed} or {@link RetryGate.remove} follows. */
  retry(): void;
  /** Dials again, and gives up an attempt that is under way; the same follows. */
  restart(): void;
}

/**
 * The dials that wait for the upstream. One of them tries at a time, after pauses that grow from FIRST_RETRY_DELAY_MS; as
 * soon as any dial succeeds, the others follow at once. If each tried by itself, a thousand clients would dial two thousand
 * times a second.
 */
export class RetryGate implements Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly #timers: Timers;
  readonly #waiters = new Set<Waiter>();
  #activeWaiter: Waiter | undefined;
  #retryDelayMs = FIRST_RETRY_DELAY_MS;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  add(waiter: Waiter): void {
    this.#waiters.add(waiter);
    this.#arm();
  }

  /** The waiter's attempt has failed: the next attempt follows after a longer pause. */
  onFailed(waiter: Waiter): void {
    if (waiter !== this.#activeWaiter) return;
    this.#activeWaiter = undefined;
    this.#retryDelayMs = nextRetryDelayMs(this.#retryDelayMs);
    this.#arm();
  }

  /** The waiter waits no longer. */
  remove(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    if (waiter === this.#activeWaiter) this.#activeWaiter = undefined;
    this.#arm();
  }

  /**
   * The upstream has accepted a connection: every waiter dials. The attempt of the one whose turn it was may hang at an
   * address that the upstream has left, so it is given up.
   */
  open(): void {
    if (this.#waiters.size === 0) return;
    const activeWaiter = this.#activeWaiter;
    this.#activeWaiter = undefined;
    for (const waiter of [...this.#waiters]) {
      if (waiter === activeWaiter) waiter.restart();
      else waiter.retry();
    }
    this.#arm();
  }

  onDue(): void {
    [this.#activeWaiter] = this.#waiters;
    this.#activeWaiter?.retry();
  }

  #arm(): void {
    if (this.#waiters.size === 0) {
      this.#retryDelayMs = FIRST_RETRY_DELAY_MS;
      this.#timers.clearDeadline(this);
    } else if (this.#activeWaiter === undefined && this.heapIndex < 0)
      this.#timers.setDeadline(this, this.#timers.now + this.#retryDelayMs);
  }
}
