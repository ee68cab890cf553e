/** The wall clock, timers and random numbers. Tests replace them. */
export interface Clock {
  /** Wall-clock milliseconds. */
  now(): number;
  /** @returns a function that cancels the timer */
  after(ms: number, run: () => void): () => void;
  /** A random number, 0 to 1. */
  random(): number;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
