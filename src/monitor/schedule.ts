import type { MonitorConfig } from '../config/config.ts';
import type { Health } from '../health/state.ts';
import { createTimer } from '../lib/periodic-task.ts';

/** When a proxy is looked at. */
export interface Pace {
  /** The next look comes then, instead of when it was due. */
  again(ms: number): void;
  stop(): void;
}

export interface Steps {
  /** @param manner `hurried`: a glance was the reason; `late`: it came later than it was due. Must not reject */
  look(manner: { readonly hurried: boolean; readonly late: boolean }): Promise<void>;
  /** Whether there is reason to look at once. */
  glance(): Promise<boolean>;
  /** Something is wrong, or on its way. */
  isUrgent(): boolean;
}

/**
 * Looks every `intervalMs`, or every `fastIntervalMs` while it is urgent. In between are glances: a proxy that hangs just
 * after a look is not to wait for the next one.
 */
export const createPace = (
  { intervalMs, fastIntervalMs }: Pick<MonitorConfig, 'intervalMs' | 'fastIntervalMs'>,
  { look, glance, isUrgent }: Steps,
): Pace => {
  let isLooking = false;
  let hurried = false;

  const looks = createTimer({
    run: async (late) => {
      isLooking = true;
      const manner = { hurried, late };
      hurried = false;
      await look(manner);
      isLooking = false;
    },
    pauseMs: () => (isUrgent() ? fastIntervalMs : intervalMs),
  });

  const glances = createTimer({
    run: async () => {
      if (isLooking || isUrgent() || !(await glance()) || isLooking) return;
      hurried = true;
      looks.again(0);
    },
    pauseMs: () => fastIntervalMs,
  });

  return {
    again: looks.again,
    stop: () => {
      looks.stop();
      glances.stop();
    },
  };
};

/** Looked at every `fastIntervalMs`: what is on its way, or about to change its state, up or down. */
export const isSuspect = ({ state, hasLeft, incident, failures, successes }: Health): boolean =>
  state === 'starting' ||
  (hasLeft && state !== 'stopped') ||
  (incident !== null && (failures.consecutive <= MOST_SUSPECT_LOOKS || successes > 0));

/** After so many failures in a row nothing is about to change: `intervalMs` is often enough. */
const MOST_SUSPECT_LOOKS = 20;
