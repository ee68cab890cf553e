import { type Timer, TimerHeap, type Timers } from '../lib/timers/timer-heap.ts';
import { errorName } from './errno.ts';
import { EINTR, EVENT_LAYOUT, type Libc, type Memory } from './libc.ts';

/** Receives the events of one file. */
export interface EventHandler {
  /** @param mask the bits of epoll_ctl(2) */
  onEvents(mask: number): void;
}

/** Work that did not fit into one turn of the loop. */
export interface DeferredTask {
  resume(): void;
}

/** The most events that one epoll_wait(2) returns; further events come in the next turn. */
const MAX_EVENTS = 512;

/** One epoll loop. A turn waits, passes events to their handlers, runs due timers, then resumes deferred tasks. */
export class EventLoop implements Timers {
  /** The instant at which this turn began, in ms of the loop's clock. */
  now: number;
  isStopped = false;
  readonly #libc: Libc;
  readonly #readClock: () => number;
  readonly #epollFd: number;
  readonly #events: Memory;
  readonly #eventWords: Int32Array;
  /**
   * Both lists are indexed by file descriptor. The kernel reuses the number of a closed file, so each event carries the
   * generation of its watch, and an event of an earlier generation is dropped.
   */
  readonly #handlers: (EventHandler | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #timers = new TimerHeap();
  #deferred: DeferredTask[] = [];
  #resuming: DeferredTask[] = [];

  /**
   * @param now a monotonic clock in ms; performance.now() by default
   * @throws Error when the kernel creates no epoll instance
   */
  constructor(libc: Libc, now = () => clock.now()) {
    this.#libc = libc;
    this.#readClock = now;
    this.now = now();
    this.#epollFd = libc.epollCreate();
    if (this.#epollFd < 0) throw new Error(`epoll_create1: ${errorName(-this.#epollFd)}`);
    this.#events = libc.allocate(MAX_EVENTS * EVENT_LAYOUT.words * 4);
    this.#eventWords = new Int32Array(this.#events.bytes.buffer);
  }

  /**
   * Watches a file that is not watched yet.
   * @param mask the bits of epoll_ctl(2)
   * @returns 0, or a negative errno when the kernel cannot watch one more file
   */
  watch(fd: number, mask: number, handler: EventHandler): number {
    const generation = ((this.#generations[fd] ?? 0) + 1) | 0;
    this.#generations[fd] = generation;
    this.#handlers[fd] = handler;
    return this.#libc.epollAdd(this.#epollFd, fd, mask, generation);
  }

  /** Passes the events of a watched file to another handler from now on. */
  adopt(fd: number, handler: EventHandler): void {
    this.#handlers[fd] = handler;
  }

  /** Stops watching the file and leaves it open. */
  unwatch(fd: number): void {
    this.#handlers[fd] = undefined;
    this.#libc.epollDelete(this.#epollFd, fd);
  }

  /** Closes the file; the kernel stops watching a closed file by itself. */
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

  /**
   * Resumes the task after the events and timers of this turn. A task that defers itself while it is resumed waits for the
   * next turn.
   */
  defer(task: DeferredTask): void {
    this.#deferred.push(task);
  }

  /**
   * Takes turns until the loop is stopped, then closes the epoll instance.
   * @param onWake called in each turn before its events
   * @param onTurn called at the end of each turn
   */
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

  /** The time-out of epoll_wait(2); -1, no time-out, where no timer is set: an idle loop does not wake. */
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

/** The global `performance` is a getter, so its value is kept instead of asked for in each turn. */
const clock = performance;

/** The longest time-out that epoll_wait(2) accepts: the largest int. */
const MAX_WAIT_MS = 2_147_483_647;
