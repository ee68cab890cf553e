import {
  addSample,
  hasAnswered,
  type Limits,
  levelsOf,
  NO_SAMPLES,
  type ResourceSample,
  type Usage,
  usageOf,
} from '../../health/resource-limits.ts';
import { readUsage } from '../../system/proc/procfs.ts';

/** Measures the resource usage of a proxy's process, and compares it with its limits. */
export interface ResourceSampler {
  /**
   * Takes a sample every USAGE_INTERVAL_MS, and at once of a new process and at its first answer. Without a pid it takes none.
   * @param responseMs the time that the last answer took; null without one
   */
  measure(pid: number | null, responseMs: number | null): void;
  usage(): Usage;
  /** The latest sample; null before the first. */
  latest(): ResourceSample | null;
  levels(): ReturnType<typeof levelsOf>;
}

/** Memory, CPU and open files hardly change within a second. */
const USAGE_INTERVAL_MS = 5_000;

export const createResourceSampler = (limits: Limits): ResourceSampler => {
  let history = NO_SAMPLES;
  let measuredAt = Number.NEGATIVE_INFINITY;
  return {
    measure: (pid, responseMs) => {
      if (pid === null) return;
      // The usage of an earlier process is no reason to restart its successor.
      const isDue =
        performance.now() - measuredAt >= USAGE_INTERVAL_MS ||
        history.samples.at(-1)?.pid !== pid ||
        (responseMs !== null && !hasAnswered(history, pid));
      if (!isDue) return;
      measuredAt = performance.now();
      history = addSample(history, {
        at: measuredAt,
        pid,
        ...readUsage(pid),
        responseMs: responseMs ?? undefined,
      });
    },
    usage: () => usageOf(history),
    latest: () => history.samples.at(-1) ?? null,
    levels: () => levelsOf(history, limits),
  };
};
