import { errorName } from './errno.ts';
import { EINTR, EVENT, type Libc, type Memory } from './libc.ts';
import { Deadlines, type Timed } from './timer-heap.ts';

/** What is told of the events of a file. */
export interface Watched {
  /** @param mask the bits of epoll_ctl(2) */
  onEvents(mask: number): void;
}

/** What had more to do than one turn is for. */
export interface Unfinished {
  goOn(): void;
}

/** Asked of the kernel at once; what does not fit comes in the next turn. */
const MOST_EVENTS = 512;

/** One epoll loop: waits, tells the files' owners of their events, then the deadlines, then what was left to do. */
export class Loop {
  /** When this turn began. */
  nowMs: number;
  isStopped = false;
  readonly #libc: Libc;
  readonly #now: () => number;
  readonly #epoll: number;
  readonly #events: Memory;
  readonly #words: Int32Array;
  /** By file. A number is used again when its file is closed: events carry the turn of theirs. */
  readonly #watched: (Watched | undefined)[] = [];
  readonly #turns: number[] = [];
  readonly #deadlines = new Deadlines();
  #unfinished: Unfinished[] = [];
  #goingOn: Unfinished[] = [];

  /** @param now in ms, as performance.now() */
  constructor(libc: Libc, now = () => clock.now()) {
    this.#libc = libc;
    this.#now = now;
    this.nowMs = now();
    this.#epoll = libc.epollCreate();
    if (this.#epoll < 0) throw new Error(`epoll_create1: ${errorName(-this.#epoll)}`);
    this.#events = libc.memory(MOST_EVENTS * EVENT.words * 4);
    this.#words = new Int32Array(this.#events.bytes.buffer);
  }

  /** @returns a negative errno, when the kernel has no room for one more */
  watch(fd: number, mask: number, watched: Watched): number {
    const turn = ((this.#turns[fd] ?? 0) + 1) | 0;
    this.#turns[fd] = turn;
    this.#watched[fd] = watched;
    return this.#libc.epollAdd(this.#epoll, fd, mask, turn);
  }

  /** From now on its events are told to somebody else. */
  adopt(fd: number, watched: Watched): void {
    this.#watched[fd] = watched;
  }

  /** The file stays open. */
  unwatch(fd: number): void {
    this.#watched[fd] = undefined;
    this.#libc.epollDelete(this.#epoll, fd);
  }

  /** The kernel forgets a file that is closed by itself. */
  close(fd: number): void {
    this.#watched[fd] = undefined;
    this.#libc.close(fd);
  }

  setDeadline(timed: Timed, dueMs: number): void {
    this.#deadlines.set(timed, dueMs);
  }

  clearDeadline(timed: Timed): void {
    this.#deadlines.clear(timed);
  }

  /** Its turn comes again after everybody else's. */
  putOff(unfinished: Unfinished): void {
    this.#unfinished.push(unfinished);
  }

  /** @param onWake before any event of the turn is told, @param onTurn after all of them */
  run(onWake: () => void, onTurn: () => void): void {
    while (!this.isStopped) this.turn(onWake, onTurn);
    this.#libc.close(this.#epoll);
  }

  turn(onWake: () => void, onTurn: () => void): void {
    const count = this.#libc.epollWait(this.#epoll, this.#events, MOST_EVENTS, this.#patienceMs());
    if (count < 0 && count !== -EINTR) throw new Error(`epoll_wait: ${errorName(-count)}`);
    this.nowMs = this.#now();
    onWake();
    const words = this.#words;
    for (let at = 0, left = count; left > 0; at += EVENT.words, left -= 1) {
      const fd = words[at + EVENT.fd] ?? -1;
      if (this.#turns[fd] === words[at + EVENT.turn]) this.#watched[fd]?.onEvents(words[at] ?? 0);
    }
    this.#deadlines.run(this.nowMs);
    if (this.#unfinished.length > 0) this.#goOn();
    onTurn();
  }

  /** -1, for ever, where nothing is due: an idle loop does not wake. */
  #patienceMs(): number {
    if (this.#unfinished.length > 0) return 0;
    const { nextMs } = this.#deadlines;
    return nextMs === Number.POSITIVE_INFINITY
      ? -1
      : Math.max(0, Math.min(Math.ceil(nextMs - this.#now()), LONGEST_MS));
  }

  #goOn(): void {
    const all = this.#unfinished;
    this.#unfinished = this.#goingOn;
    this.#goingOn = all;
    for (let at = 0; at < all.length; at += 1) all[at]?.goOn();
    all.length = 0;
  }
}

/** The global is a getter, asked at each turn. */
const clock = performance;

/** The longest that epoll_wait(2) takes, an int. */
const LONGEST_MS = 2_147_483_647;
