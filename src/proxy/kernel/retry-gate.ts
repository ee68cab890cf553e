import type { EventLoop } from '../../libc/event-loop.ts';
import type { Timer } from '../../libc/timer-heap.ts';
import { FIRST_RETRY_DELAY_MS, nextRetryDelayMs } from '../dial-retry.ts';

export interface Waiter {
  /** Dials again; {@link RetryGate.onFailed} or {@link RetryGate.remove} follows. */
  retry(): void;
}

/**
 * The dials that wait for the upstream. One of them tries at a time, after pauses that grow from FIRST_RETRY_DELAY_MS; as
 * soon as any dial succeeds, the others follow at once.
 */
export class RetryGate implements Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly #loop: EventLoop;
  readonly #waiters = new Set<Waiter>();
  #activeWaiter: Waiter | undefined;
  #retryDelayMs = FIRST_RETRY_DELAY_MS;

  constructor(loop: EventLoop) {
    this.#loop = loop;
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

  /** The upstream has accepted a connection: every waiter that is not dialing already dials. */
  open(): void {
    if (this.#waiters.size === 0) return;
    const idleWaiters = [...this.#waiters].filter((waiter) => waiter !== this.#activeWaiter);
    for (const waiter of idleWaiters) waiter.retry();
  }

  onDue(): void {
    [this.#activeWaiter] = this.#waiters;
    this.#activeWaiter?.retry();
  }

  #arm(): void {
    if (this.#waiters.size === 0) {
      this.#retryDelayMs = FIRST_RETRY_DELAY_MS;
      this.#loop.clearDeadline(this);
    } else if (this.#activeWaiter === undefined && this.heapIndex < 0)
      this.#loop.setDeadline(this, this.#loop.now + this.#retryDelayMs);
  }
}
