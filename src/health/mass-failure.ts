import { isLoadSensitive } from './causes.ts';
import type { Health } from './state.ts';

/** A mass failure, in which most ports fail at once, or its absence. */
export interface MassFailure {
  /** The beginning of the mass failure, in wall-clock milliseconds; null while there is none. */
  readonly since: number | null;
}

export const NO_MASS_FAILURE: MassFailure = { since: null };

/** Two ports may fail together by chance. When three or more fail, and most of all, the machine is the likely cause. */
const MIN_FAILING_PROXIES = 3;
/** A machine that is slow for longer than this is not just busy, so restarts are tried after all. */
const MAX_PAUSE_MS = 60_000;

/**
 * Suspects the machine when at least MIN_FAILING_PROXIES ports, and more than half of all, have an incident that a slow
 * machine would explain; see {@link isLoadSensitive}. What the kernel reports for certain (a process that is gone, or
 * stopped by a signal) does not count.
 * @param now wall-clock milliseconds
 */
export const detectMassFailure = (
  previous: MassFailure,
  healths: readonly Health[],
  now: number,
): MassFailure => {
  const failing = healths.filter(
    ({ incident, cause }) => incident !== null && cause !== null && isLoadSensitive(cause),
  );
  const isMassFailure = failing.length >= MIN_FAILING_PROXIES && failing.length * 2 > healths.length;
  if (!isMassFailure) return NO_MASS_FAILURE;
  // A start in the future was recorded before the clock was set back.
  return previous.since === null || previous.since > now ? { since: now } : previous;
};

/** True during the first MAX_PAUSE_MS of a mass failure. */
export const isPausingRestarts = ({ since }: MassFailure, now: number): boolean =>
  since !== null && now - since < MAX_PAUSE_MS;
