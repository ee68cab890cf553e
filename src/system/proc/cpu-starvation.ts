import { readProcess, readSchedule } from './procfs.ts';

/** A process that had to wait for a CPU for this part of the time was short of it; with less than it to run, starved. */
const SHARE = 0.3;
/** One that has run as well may be late with its answers for so long. */
const PATIENCE_MS = 3_000;

/**
 * Begins to watch; the function it returns tells whether, since then, the process or this one got so little CPU that
 * silence proves nothing but a busy machine. A process that sleeps did not want any and was never short of it. One that
 * computes without end is short of it on a busy machine too, but not excused for longer than 3 s of silence. Where the
 * kernel does not tell, nobody was short of anything.
 */
export const watchStarvation = (pid: number | null): ((silentMs: number) => boolean) => {
  const startedAt = performance.now();
  const watched = pid === null ? (['self'] as const) : ([pid, 'self'] as const);
  const before = watched.map((one) => readSchedule(one));
  return (silentMs) => {
    const elapsedMs = performance.now() - startedAt;
    return watched.some((one, at) => {
      const [then, now] = [before[at], readSchedule(one)];
      if (!then || !now) return false;
      const isShort = now.waitedMs - then.waitedMs > SHARE * elapsedMs;
      // What still waits has not been added to the waiting yet.
      const isWaiting = one !== 'self' && readProcess(one)?.state === 'R';
      const isStarved = now.ranMs - then.ranMs < SHARE * elapsedMs;
      return isStarved ? isShort || isWaiting : isShort && silentMs < PATIENCE_MS;
    });
  };
};
