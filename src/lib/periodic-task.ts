/** Runs one thing again and again, never twice at a time. */
export interface PeriodicTask {
  /** The next run comes then, instead of when it was due; during a run, right after it. */
  runIn(delayMs: number): void;
  stop(): void;
}

/** A run that begins so much too late says that this process, or the machine, was late (or asleep). */
const MAX_DELAY_MS = 500;
/** The wall clock goes on while a machine sleeps, the monotonic one (clock_gettime(2)) does not. */
const MIN_SLEEP_MS = 2_000;

/** Milliseconds of the wall clock and of the monotonic one. */
export interface Clocks {
  readonly wall: number;
  readonly monotonic: number;
}

/** `pauseMs` from the start of one run to the start of the next; the first one comes at once. */
export const createPeriodicTask = ({
  run,
  intervalMs,
  readClocks = readSystemClocks,
}: {
  /** Must not reject. */
  run(isLate: boolean): Promise<void>;
  intervalMs(): number;
  readClocks?(): Clocks;
}): PeriodicTask => {
  let timer: NodeJS.Timeout | undefined;
  let isRunning = false;
  let isStopped = false;
  let isRunRequested = false;
  let clocks = readClocks();

  const runNow = async (dueAt: number): Promise<void> => {
    const now = readClocks();
    const sleptMs = Math.abs(now.wall - clocks.wall - (now.monotonic - clocks.monotonic));
    const isLate = now.monotonic - dueAt > MAX_DELAY_MS || sleptMs > MIN_SLEEP_MS;
    clocks = now;
    isRunning = true;
    isRunRequested = false;
    await run(isLate);
    isRunning = false;
    runIn(isRunRequested ? 0 : Math.max(0, intervalMs() - (readClocks().monotonic - now.monotonic)));
  };

  const runIn = (delayMs: number): void => {
    isRunRequested = true;
    if (isStopped || isRunning) return;
    clearTimeout(timer);
    const dueAt = readClocks().monotonic + delayMs;
    timer = setTimeout(() => void runNow(dueAt), delayMs);
  };
  runIn(0);

  return {
    runIn,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};

const readSystemClocks = (): Clocks => ({ wall: Date.now(), monotonic: performance.now() });
