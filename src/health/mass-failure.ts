import { isLoadSensitive } from './causes.ts';
import type { Health } from './state.ts';

/** When most ports seemed to fail at once; null while they do not. */
export interface MassFailure {
  readonly since: number | null;
}

export const NO_MASS_FAILURE: MassFailure = { since: null };

/** Two ports may well fail together; three or more, and most of all, are rather the machine. */
const MIN_FAILING_PROXIES = 3;
/** A machine that is slow for longer is not just busy: restarts are then tried after all. */
const MAX_PAUSE_MS = 60_000;

/**
 * Suspects the machine when most ports fail at once in a way that a slow machine would explain; see {@link isLoadSensitive}.
 * What the kernel says for certain (a process that is gone, or stopped by a signal) does not count.
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
  // A beginning that is still to come is of a time before the clock was set back.
  return previous.since === null || previous.since > now ? { since: now } : previous;
};

export const isPausingRestarts = ({ since }: MassFailure, now: number): boolean =>
  since !== null && now - since < MAX_PAUSE_MS;
