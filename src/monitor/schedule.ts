import type { MonitorConfig } from '../config/config.ts';
import type { Health } from '../health/state.ts';
import { createPeriodicTask } from '../lib/periodic-task.ts';

/** When a proxy is looked at. */
export interface Schedule {
  /** The next look comes then, instead of when it was due. */
  runIn(ms: number): void;
  stop(): void;
}

export interface ScheduledTasks {
  /** @param mode `hurried`: a glance was the reason; `late`: it came later than it was due. Must not reject */
  check(mode: { readonly triggeredByQuickCheck: boolean; readonly isLate: boolean }): Promise<void>;
  /** Whether there is reason to look at once. */
  quickCheck(): Promise<boolean>;
  /** Something is wrong, or on its way. */
  isUrgent(): boolean;
}

/**
 * Looks every `intervalMs`, or every `fastIntervalMs` while it is urgent. In between are glances: a proxy that hangs just
 * after a look is not to wait for the next one.
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
    stop: () => {
      checks.stop();
      quickChecks.stop();
    },
  };
};

/** Looked at every `fastIntervalMs`: what is on its way, or about to change its state, up or down. */
export const needsFastChecks = ({ state, hasLeft, incident, failures, successes }: Health): boolean =>
  state === 'starting' ||
  (hasLeft && state !== 'stopped') ||
  (incident !== null && (failures.consecutive <= MAX_FAST_CHECKS || successes > 0));

/** After so many failures in a row nothing is about to change: `intervalMs` is often enough. */
const MAX_FAST_CHECKS = 20;
