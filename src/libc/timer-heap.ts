/** Something that is to happen at a time, unless it is put off or called off before. */
export interface Timed {
  /** By the clock of the loop, in ms. */
  dueMs: number;
  /** Its place in {@link Deadlines}; -1 while it is in none. */
  place: number;
  onDue(): void;
}

/** All deadlines of a loop: a binary heap that knows the place of each, so that one can be called off. */
export class Deadlines {
  readonly #heap: Timed[] = [];

  /** The next one; Infinity when there is none. */
  get nextMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Replaces the time that it had. */
  set(timed: Timed, dueMs: number): void {
    timed.dueMs = dueMs;
    if (timed.place < 0) timed.place = this.#heap.push(timed) - 1;
    this.#down(this.#up(timed));
  }

  clear(timed: Timed): void {
    const { place } = timed;
    if (place < 0) return;
    timed.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === timed) return;
    this.#put(last, place);
    this.#down(this.#up(last));
  }

  /** Calls what is due; each is in no heap any more when it is called. */
  run(nowMs: number): void {
    for (let [first] = this.#heap; first && first.dueMs <= nowMs; [first] = this.#heap) {
      this.clear(first);
      first.onDue();
    }
  }

  #put(timed: Timed, place: number): void {
    this.#heap[place] = timed;
    timed.place = place;
  }

  #up(timed: Timed): Timed {
    for (;;) {
      const above = (timed.place - 1) >> 1;
      const parent = this.#heap[above];
      if (timed.place === 0 || !parent || parent.dueMs <= timed.dueMs) return timed;
      this.#put(parent, timed.place);
      this.#put(timed, above);
    }
  }

  #down(timed: Timed): void {
    for (;;) {
      const left = this.#heap[2 * timed.place + 1];
      const right = this.#heap[2 * timed.place + 2];
      const child = right && left && right.dueMs < left.dueMs ? right : left;
      if (!child || child.dueMs >= timed.dueMs) return;
      const below = child.place;
      this.#put(child, timed.place);
      this.#put(timed, below);
    }
  }
}
