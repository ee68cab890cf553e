/** A function that is run periodically, and never twice at a time. */
export interface PeriodicTask {
  /** Moves the next run to `delayMs` from now. During a run, the next one follows right after it. */
  runIn(delayMs: number): void;
  /** Moves the next run to `delayMs` from now, unless it comes sooner. */
  runWithin(delayMs: number): void;
  /** A run that is under way ends, and no other begins. */
  stop(): void;
}

/** A run that begins more than this after its time is late: this process or the machine was busy, or asleep. */
const MAX_DELAY_MS = 500;
/**
 * The machine slept, or the wall clock was set, when the two clocks have moved apart by more than this: the wall clock
 * goes on while a machine sleeps, the monotonic one (clock_gettime(2)) does not.
 */
const MIN_SLEEP_MS = 2_000;

/** The time by both clocks, in milliseconds. */
export interface Clocks {
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * Starts to run a function: at once, and then every `intervalMs`, from the start of one run to the start of the next.
 */
export const createPeriodicTask = ({
  run,
  intervalMs,
  readClocks = readSystemClocks,
}: {
  /**
   * Must not reject.
   * @param isLate it begins later than MAX_DELAY_MS after its time, or the machine slept since the last run
   */
  run(isLate: boolean): Promise<void>;
  /** Asked after each run. A run that takes longer is followed at once. */
  intervalMs(): number;
  /** Default: Date.now() and process.uptime(), which loads less than `performance`: 0.2 MB of an idle proxy. */
  readClocks?(): Clocks;
}): PeriodicTask => {
  let timer: NodeJS.Timeout | undefined;
  let isRunning = false;
  let isStopped = false;
  let isRunRequested = false;
  let dueAt = Number.POSITIVE_INFINITY;
  let lastRunAt = readClocks();

  const runNow = async (): Promise<void> => {
    const now = readClocks();
    const sleptMs = Math.abs(now.wall - lastRunAt.wall - (now.monotonic - lastRunAt.monotonic));
    const isLate = now.monotonic - dueAt > MAX_DELAY_MS || sleptMs > MIN_SLEEP_MS;
    lastRunAt = now;
    dueAt = Number.POSITIVE_INFINITY;
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
    dueAt = readClocks().monotonic + delayMs;
    timer = setTimeout(() => void runNow(), delayMs);
  };
  runIn(0);

  return {
    runIn,
    runWithin: (delayMs) => {
      if (dueAt > readClocks().monotonic + delayMs) runIn(delayMs);
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};

const readSystemClocks = (): Clocks => ({ wall: Date.now(), monotonic: process.uptime() * 1_000 });
