import { readCpuSchedule, readProcess } from './procfs.ts';

/**
 * A process that waited for a CPU for more than this share of the time was short of CPU. One that ran for less than this
 * share was starved.
 */
const STARVED_SHARE = 0.3;
/** A process that was short of CPU and yet ran enough is excused for a silence shorter than this. */
const MAX_EXCUSED_SILENCE_MS = 3_000;

/**
 * Begins to watch the CPU time of the process and of this one.
 * @param pid null: only this process is watched
 * @returns a function that is true when, since the call, either process got so little CPU that a silence of `silentMs`
 * proves nothing but a busy machine. A process that sleeps does not wait for a CPU, so it is never short of it. A process
 * that computes without end is short of CPU on a busy machine too, but it is not excused for a silence of
 * MAX_EXCUSED_SILENCE_MS or longer. False where the kernel does not report these times.
 */
export const createStarvationDetector = (pid: number | null): ((silentMs: number) => boolean) => {
  const startedAt = performance.now();
  const watchedPids = pid === null ? (['self'] as const) : ([pid, 'self'] as const);
  const initialSchedules = watchedPids.map((watchedPid) => readCpuSchedule(watchedPid));
  return (silentMs) => {
    const elapsedMs = performance.now() - startedAt;
    return watchedPids.some((watchedPid, index) => {
      const initial = initialSchedules[index];
      const current = readCpuSchedule(watchedPid);
      if (!initial || !current) return false;
      const isShortOfCpu = current.waitedMs - initial.waitedMs > STARVED_SHARE * elapsedMs;
      // The kernel adds a wait to `waitedMs` only when the wait ends, so a process may be waiting right now.
      const isRunnable = watchedPid !== 'self' && readProcess(watchedPid)?.state === 'R';
      const isStarved = current.ranMs - initial.ranMs < STARVED_SHARE * elapsedMs;
      return isStarved ? isShortOfCpu || isRunnable : isShortOfCpu && silentMs < MAX_EXCUSED_SILENCE_MS;
    });
  };
};
