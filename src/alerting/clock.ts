/** The time of day, timers and chance: set by hand in tests. */
export interface Clock {
  /** Wall-clock milliseconds. */
  now(): number;
  /** @returns a function that cancels the timer */
  after(ms: number, run: () => void): () => void;
  /** 0 to 1. */
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
