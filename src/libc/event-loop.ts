import { errorName } from './errno.ts';
import { EINTR, EVENT_LAYOUT, type Libc, type Memory } from './libc.ts';
import { type Timer, TimerHeap } from './timer-heap.ts';

/** What is told of the events of a file. */
export interface EventHandler {
  /** @param mask the bits of epoll_ctl(2) */
  onEvents(mask: number): void;
}

/** What had more to do than one turn is for. */
export interface DeferredTask {
  resume(): void;
}

/** Asked of the kernel at once; what does not fit comes in the next turn. */
const MAX_EVENTS = 512;

/** One epoll loop: waits, tells the files' owners of their events, then the deadlines, then what was left to do. */
export class EventLoop {
  /** When this turn began. */
  now: number;
  isStopped = false;
  readonly #libc: Libc;
  readonly #readClock: () => number;
  readonly #epollFd: number;
  readonly #events: Memory;
  readonly #eventWords: Int32Array;
  /** By file. A number is used again when its file is closed: events carry the turn of theirs. */
  readonly #handlers: (EventHandler | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #timers = new TimerHeap();
  #deferred: DeferredTask[] = [];
  #resuming: DeferredTask[] = [];

  /** @param now in ms, as performance.now() */
  constructor(libc: Libc, now = () => clock.now()) {
    this.#libc = libc;
    this.#readClock = now;
    this.now = now();
    this.#epollFd = libc.epollCreate();
    if (this.#epollFd < 0) throw new Error(`epoll_create1: ${errorName(-this.#epollFd)}`);
    this.#events = libc.allocate(MAX_EVENTS * EVENT_LAYOUT.words * 4);
    this.#eventWords = new Int32Array(this.#events.bytes.buffer);
  }

  /** @returns a negative errno, when the kernel has no room for one more */
  watch(fd: number, mask: number, handler: EventHandler): number {
    const generation = ((this.#generations[fd] ?? 0) + 1) | 0;
    this.#generations[fd] = generation;
    this.#handlers[fd] = handler;
    return this.#libc.epollAdd(this.#epollFd, fd, mask, generation);
  }

  /** From now on its events are told to somebody else. */
  adopt(fd: number, handler: EventHandler): void {
    this.#handlers[fd] = handler;
  }

  /** The file stays open. */
  unwatch(fd: number): void {
    this.#handlers[fd] = undefined;
    this.#libc.epollDelete(this.#epollFd, fd);
  }

  /** The kernel forgets a file that is closed by itself. */
  close(fd: number): void {
    this.#handlers[fd] = undefined;
    this.#libc.close(fd);
  }

  setDeadline(timer: Timer, dueAt: number): void {
    this.#timers.set(timer, dueAt);
  }

  clearDeadline(timer: Timer): void {
    this.#timers.clear(timer);
  }

  /** Its turn comes again after everybody else's. */
  defer(task: DeferredTask): void {
    this.#deferred.push(task);
  }

  /** @param onWake before any event of the turn is told, @param onTurn after all of them */
  run(onWake: () => void, onTurn: () => void): void {
    while (!this.isStopped) this.turn(onWake, onTurn);
    this.#libc.close(this.#epollFd);
  }

  turn(onWake: () => void, onTurn: () => void): void {
    const count = this.#libc.epollWait(this.#epollFd, this.#events, MAX_EVENTS, this.#waitTimeoutMs());
    if (count < 0 && count !== -EINTR) throw new Error(`epoll_wait: ${errorName(-count)}`);
    this.now = this.#readClock();
    onWake();
    const words = this.#eventWords;
    for (let index = 0, remaining = count; remaining > 0; index += EVENT_LAYOUT.words, remaining -= 1) {
      const fd = words[index + EVENT_LAYOUT.fd] ?? -1;
      if (this.#generations[fd] === words[index + EVENT_LAYOUT.generation])
        this.#handlers[fd]?.onEvents(words[index] ?? 0);
    }
    this.#timers.run(this.now);
    if (this.#deferred.length > 0) this.#resumeDeferred();
    onTurn();
  }

  /** -1, for ever, where nothing is due: an idle loop does not wake. */
  #waitTimeoutMs(): number {
    if (this.#deferred.length > 0) return 0;
    const { nextDueAt } = this.#timers;
    return nextDueAt === Number.POSITIVE_INFINITY
      ? -1
      : Math.max(0, Math.min(Math.ceil(nextDueAt - this.#readClock()), MAX_WAIT_MS));
  }

  #resumeDeferred(): void {
    const tasks = this.#deferred;
    this.#deferred = this.#resuming;
    this.#resuming = tasks;
    for (let index = 0; index < tasks.length; index += 1) tasks[index]?.resume();
    tasks.length = 0;
  }
}

/** The global is a getter, asked at each turn. */
const clock = performance;

/** The longest that epoll_wait(2) takes, an int. */
const MAX_WAIT_MS = 2_147_483_647;
