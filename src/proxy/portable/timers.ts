import { TimerHeap, type Timers } from '../../lib/timers/timer-heap.ts';

/** Timers on Node.js' own event loop. They do not keep the process alive. */
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
      onTimeout,
      Math.min(Math.ceil(nextDueAt - performance.now()), MAX_TIMEOUT_MS),
    ).unref();
  };
  const onTimeout = (): void => {
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
