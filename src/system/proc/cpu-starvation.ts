import { readCpuSchedule, readProcess } from './procfs.ts';

/** A process that had to wait for a CPU for this part of the time was short of it; with less than it to run, starved. */
const STARVED_SHARE = 0.3;
/** One that has run as well may be late with its answers for so long. */
const MAX_EXCUSED_SILENCE_MS = 3_000;

/**
 * Begins to watch; the function it returns tells whether, since then, the process or this one got so little CPU that
 * silence proves nothing but a busy machine. A process that sleeps did not want any and was never short of it. One that
 * computes without end is short of it on a busy machine too, but not excused for longer than 3 s of silence. Where the
 * kernel does not tell, nobody was short of anything.
 */
export const createStarvationDetector = (pid: number | null): ((silentMs: number) => boolean) => {
  const startedAt = performance.now();
  const watchedPids = pid === null ? (['self'] as const) : ([pid, 'self'] as const);
  const initialSchedules = watchedPids.map((watchedPid) => readCpuSchedule(watchedPid));
  return (silentMs) => {
    const elapsedMs = performance.now() - startedAt;
    return watchedPids.some((watchedPid, index) => {
      const [initial, current] = [initialSchedules[index], readCpuSchedule(watchedPid)];
      if (!initial || !current) return false;
      const isShortOfCpu = current.waitedMs - initial.waitedMs > STARVED_SHARE * elapsedMs;
      // What still waits has not been added to the waiting yet.
      const isRunnable = watchedPid !== 'self' && readProcess(watchedPid)?.state === 'R';
      const isStarved = current.ranMs - initial.ranMs < STARVED_SHARE * elapsedMs;
      return isStarved ? isShortOfCpu || isRunnable : isShortOfCpu && silentMs < MAX_EXCUSED_SILENCE_MS;
    });
  };
};
