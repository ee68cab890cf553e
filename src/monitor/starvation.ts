import { readProcess, readSchedule } from '../host/procfs.ts';

/** A process that had to wait for a CPU for this part of the time, and had one for less than it, was starved. */
const SHARE = 0.3;

/**
 * Begins to watch; the function it returns tells whether, since then, the process or this one got so little CPU that
 * silence proves nothing but a busy machine. A process that computes without end has had CPU, and one that sleeps did
 * not want it: neither was starved. Where the kernel does not tell, nobody was.
 */
export const watchStarvation = (pid: number | null): (() => boolean) => {
  const startedAt = performance.now();
  const watched = pid === null ? (['self'] as const) : ([pid, 'self'] as const);
  const before = watched.map((one) => readSchedule(one));
  return () => {
    const elapsedMs = performance.now() - startedAt;
    return watched.some((one, at) => {
      const [then, now] = [before[at], readSchedule(one)];
      if (!then || !now) return false;
      const waits = now.waitedMs - then.waitedMs > SHARE * elapsedMs;
      // What still waits has not been added to the waiting yet.
      const isWaiting = one !== 'self' && readProcess(one)?.state === 'R';
      return (waits || isWaiting) && now.ranMs - then.ranMs < SHARE * elapsedMs;
    });
  };
};
