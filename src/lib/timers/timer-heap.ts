/** A call that is due at an instant, unless it is rescheduled or cleared before. */
export interface Timer {
  /** In ms of the loop's clock. */
  dueAt: number;
  /** The index in the {@link TimerHeap}; -1 while the timer is not set. */
  heapIndex: number;
  onDue(): void;
}

/** A clock, and the timers that are due by it. */
export interface Timers {
  /** A monotonic clock in ms. */
  readonly now: number;
  /** Sets the timer, or reschedules it when it is set already. */
  setDeadline(timer: Timer, dueAt: number): void;
  /** Does nothing when the timer is not set. */
  clearDeadline(timer: Timer): void;
}

/** All timers of a loop: a binary heap in which each timer knows its index, so that it can be cleared. */
export class TimerHeap {
  readonly #heap: Timer[] = [];

  /** The instant of the next timer; Infinity when no timer is set. */
  get nextDueAt(): number {
    return this.#heap[0]?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  /** Sets the timer, or reschedules it when it is set already. */
  set(timer: Timer, dueAt: number): void {
    timer.dueAt = dueAt;
    if (timer.heapIndex < 0) timer.heapIndex = this.#heap.push(timer) - 1;
    this.#siftDown(this.#siftUp(timer));
  }

  clear(timer: Timer): void {
    const { heapIndex: index } = timer;
    if (index < 0) return;
    timer.heapIndex = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === timer) return;
    this.#place(last, index);
    this.#siftDown(this.#siftUp(last));
  }

  /** Calls each timer that is due. A timer is cleared before it is called, so that it can set itself again. */
  run(now: number): void {
    for (let [first] = this.#heap; first && first.dueAt <= now; [first] = this.#heap) {
      this.clear(first);
      first.onDue();
    }
  }

  #place(timer: Timer, index: number): void {
    this.#heap[index] = timer;
    timer.heapIndex = index;
  }

  #siftUp(timer: Timer): Timer {
    for (;;) {
      const parentIndex = (timer.heapIndex - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (timer.heapIndex === 0 || !parent || parent.dueAt <= timer.dueAt) return timer;
      this.#place(parent, timer.heapIndex);
      this.#place(timer, parentIndex);
    }
  }

  #siftDown(timer: Timer): void {
    for (;;) {
      const left = this.#heap[2 * timer.heapIndex + 1];
      const right = this.#heap[2 * timer.heapIndex + 2];
      const child = right && left && right.dueAt < left.dueAt ? right : left;
      if (!child || child.dueAt >= timer.dueAt) return;
      const childIndex = child.heapIndex;
      this.#place(child, timer.heapIndex);
      this.#place(timer, childIndex);
    }
  }
}
