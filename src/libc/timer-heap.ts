/** Something that is to happen at a time, unless it is put off or called off before. */
export interface Timer {
  /** By the clock of the loop, in ms. */
  dueAt: number;
  /** Its place in {@link TimerHeap}; -1 while it is in none. */
  heapIndex: number;
  onDue(): void;
}

/** All deadlines of a loop: a binary heap that knows the place of each, so that one can be called off. */
export class TimerHeap {
  readonly #heap: Timer[] = [];

  /** The next one; Infinity when there is none. */
  get nextDueAt(): number {
    return this.#heap[0]?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  /** Replaces the time that it had. */
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

  /** Calls what is due; each is in no heap any more when it is called. */
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
