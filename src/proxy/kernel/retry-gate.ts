import type { Loop } from '../../libc/event-loop.ts';
import type { Timed } from '../../libc/timer-heap.ts';
import { FIRST_RETRY_MS, nextRetryMs } from '../dial-retry.ts';

export interface Held {
  retry(): void;
}

/**
 * Those who wait for the upstream: one of them tries at a time, and when anybody gets through the others follow at once.
 */
export class Gate implements Timed {
  dueMs = 0;
  place = -1;
  readonly #loop: Loop;
  readonly #held = new Set<Held>();
  #trying: Held | undefined;
  #retryMs = FIRST_RETRY_MS;

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  add(held: Held): void {
    this.#held.add(held);
    this.#arm();
  }

  /** Its try was in vain. */
  failed(held: Held): void {
    if (held !== this.#trying) return;
    this.#trying = undefined;
    this.#retryMs = nextRetryMs(this.#retryMs);
    this.#arm();
  }

  /** It waits no longer, for whatever reason. */
  remove(held: Held): void {
    if (!this.#held.delete(held)) return;
    if (held === this.#trying) this.#trying = undefined;
    this.#arm();
  }

  /** The upstream is there. */
  open(): void {
    if (this.#held.size === 0) return;
    const all = [...this.#held].filter((held) => held !== this.#trying);
    for (const held of all) held.retry();
  }

  onDue(): void {
    [this.#trying] = this.#held;
    this.#trying?.retry();
  }

  #arm(): void {
    if (this.#held.size === 0) {
      this.#retryMs = FIRST_RETRY_MS;
      this.#loop.clearDeadline(this);
    } else if (this.#trying === undefined && this.place < 0)
      this.#loop.setDeadline(this, this.#loop.nowMs + this.#retryMs);
  }
}
