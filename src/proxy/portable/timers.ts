import { TimerHeap, type Timers } from '../../lib/timers/timer-heap.ts';

/**
 * Timers on Node.js' own event loop. They do not keep the process alive. Node.js runs its timers before it looks what the
 * sockets have (https://nodejs.org/en/learn/asynchronous-work/event-loop-timers-and-nexttick), so due timers are run after
 * that: else a process that was held up takes what has happened in time for missed.
 */
export const createTimers = (): Timers => {
  const heap = new TimerHeap();
  let timeout: NodeJS.Timeout | undefined;
  let armedFor = Number.POSITIVE_INFINITY;

  const arm = (): void => {
    const { nextDueAt } = heap;
    if (nextDueAt >= armedFor) return;
    clearTimeout(timeout);
    armedFor = nextDueAt;
    timeout = setTimeout(
      () => setImmediate(runDue),
      Math.min(Math.ceil(nextDueAt - performance.now()), MAX_TIMEOUT_MS),
    ).unref();
  };
  const runDue = (): void => {
    armedFor = Number.POSITIVE_INFINITY;
    heap.run(performance.now());
    arm();
  };

  return {
    get now() {
      return performance.now();
    },
    setDeadline: (timer, dueAt) => {
      heap.set(timer, dueAt);
      arm();
    },
    clearDeadline: (timer) => heap.clear(timer),
  };
};

/** The longest time-out of setTimeout: the largest 32-bit integer. */
const MAX_TIMEOUT_MS = 2_147_483_647;
