import type { MonitorConfig } from '../config/config.ts';
import type { Health } from '../health/state.ts';
import { createPeriodicTask } from '../lib/timers/periodic-task.ts';

/** The schedule of a proxy's checks. */
export interface Schedule {
  /** Moves the next check to `ms` from now. */
  runIn(ms: number): void;
  /** Moves the next check to `ms` from now, unless it comes sooner. */
  runWithin(ms: number): void;
  stop(): void;
}

export interface ScheduledTasks {
  /**
   * Runs one check. It must not reject.
   * @param mode `triggeredByQuickCheck`: a quick check was the reason; `isLate`: it came later than it was due
   */
  check(mode: { readonly triggeredByQuickCheck: boolean; readonly isLate: boolean }): Promise<void>;
  /** True when there is reason to check at once. */
  quickCheck(): Promise<boolean>;
  /** True when something is wrong, or about to change. */
  isUrgent(): boolean;
}

/**
 * Runs a check every `intervalMs`, or every `fastIntervalMs` while it is urgent. Quick checks run in between, so that a proxy
 * which hangs just after a check does not wait for the next one.
 */
export const createSchedule = (
  { intervalMs, fastIntervalMs }: Pick<MonitorConfig, 'intervalMs' | 'fastIntervalMs'>,
  { check, quickCheck, isUrgent }: ScheduledTasks,
): Schedule => {
  let isChecking = false;
  let triggeredByQuickCheck = false;

  const checks = createPeriodicTask({
    run: async (isLate) => {
      isChecking = true;
      const mode = { triggeredByQuickCheck, isLate };
      triggeredByQuickCheck = false;
      await check(mode);
      isChecking = false;
    },
    intervalMs: () => (isUrgent() ? fastIntervalMs : intervalMs),
  });

  const quickChecks = createPeriodicTask({
    run: async () => {
      if (isChecking || isUrgent() || !(await quickCheck()) || isChecking) return;
      triggeredByQuickCheck = true;
      checks.runIn(0);
    },
    intervalMs: () => fastIntervalMs,
  });

  return {
    runIn: checks.runIn,
    runWithin: checks.runWithin,
    stop: () => {
      checks.stop();
      quickChecks.stop();
    },
  };
};

/** True when a proxy is checked every `fastIntervalMs`: it is starting or shutting down, or about to change its state, up or down. */
export const needsFastChecks = ({ state, isShuttingDown, incident, failures, successes }: Health): boolean =>
  state === 'starting' ||
  (isShuttingDown && state !== 'stopped') ||
  (incident !== null && (failures.consecutive <= MAX_FAST_CHECKS || successes > 0));

/** After MAX_FAST_CHECKS failures in a row nothing is about to change, and `intervalMs` is often enough. */
const MAX_FAST_CHECKS = 20;
