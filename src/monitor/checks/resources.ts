import {
  type Limits,
  levelsOf,
  NO_TRACK,
  type Sample,
  track,
  type Usage,
  usageOf,
} from '../../health/resource-limits.ts';
import { readUsage } from '../../system/proc/procfs.ts';

/** What the process of a proxy uses, held against its limits. */
export interface Gauge {
  /** @param lagMs what its last answer took; null without one */
  measure(pid: number | null, lagMs: number | null): void;
  usage(): Usage;
  /** Null before the first. */
  latest(): Sample | null;
  levels(): ReturnType<typeof levelsOf>;
}

/** Memory, CPU and open files do not change in a second. */
const USAGE_MS = 5_000;

export const createGauge = (limits: Limits): Gauge => {
  let samples = NO_TRACK;
  let measuredAt = Number.NEGATIVE_INFINITY;
  return {
    measure: (pid, lagMs) => {
      // What the process before has used is no reason to restart the one that took its place.
      const isDue = performance.now() - measuredAt >= USAGE_MS || samples.samples.at(-1)?.pid !== pid;
      if (pid === null || !isDue) return;
      measuredAt = performance.now();
      samples = track(samples, { atMs: measuredAt, pid, ...readUsage(pid), lagMs: lagMs ?? undefined });
    },
    usage: () => usageOf(samples),
    latest: () => samples.samples.at(-1) ?? null,
    levels: () => levelsOf(samples, limits),
  };
};
