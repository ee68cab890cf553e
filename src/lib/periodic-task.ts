/** Runs one thing again and again, never twice at a time. */
export interface Timer {
  /** The next run comes then, instead of when it was due; during a run, right after it. */
  again(ms: number): void;
  stop(): void;
}

/** A run that begins so much too late says that this process, or the machine, was late (or asleep). */
const LATE_MS = 500;
/** The wall clock goes on while a machine sleeps, the monotonic one (clock_gettime(2)) does not. */
const SLEPT_MS = 2_000;

/** Milliseconds of the wall clock and of the monotonic one. */
export interface Clocks {
  readonly wall: number;
  readonly monotonic: number;
}

/** `pauseMs` from the start of one run to the start of the next; the first one comes at once. */
export const createTimer = ({
  run,
  pauseMs,
  readClocks = readOwnClocks,
}: {
  /** Must not reject. */
  run(late: boolean): Promise<void>;
  pauseMs(): number;
  readClocks?(): Clocks;
}): Timer => {
  let timer: NodeJS.Timeout | undefined;
  let isRunning = false;
  let isStopped = false;
  let isCalled = false;
  let clocks = readClocks();

  const start = async (dueAt: number): Promise<void> => {
    const now = readClocks();
    const sleptMs = Math.abs(now.wall - clocks.wall - (now.monotonic - clocks.monotonic));
    const isLate = now.monotonic - dueAt > LATE_MS || sleptMs > SLEPT_MS;
    clocks = now;
    isRunning = true;
    isCalled = false;
    await run(isLate);
    isRunning = false;
    again(isCalled ? 0 : Math.max(0, pauseMs() - (readClocks().monotonic - now.monotonic)));
  };

  const again = (ms: number): void => {
    isCalled = true;
    if (isStopped || isRunning) return;
    clearTimeout(timer);
    const dueAt = readClocks().monotonic + ms;
    timer = setTimeout(() => void start(dueAt), ms);
  };
  again(0);

  return {
    again,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};

const readOwnClocks = (): Clocks => ({ wall: Date.now(), monotonic: performance.now() });
