import { isSoft } from './causes.ts';
import type { Health } from './state.ts';

/** When most ports seemed to fail at once; null while they do not. */
export interface Brake {
  readonly sinceMs: number | null;
}

export const RELEASED: Brake = { sinceMs: null };

/** Two ports may well fail together; three or more, and most of all, are rather the machine. */
const FEWEST = 3;
/** A machine that is slow for longer is not just busy: restarts are then tried after all. */
const LONGEST_BRAKE_MS = 60_000;

/**
 * Suspects the machine when most ports fail at once in a way that a slow machine would explain; see {@link isSoft}.
 * What the kernel says for certain (a process that is gone, or stopped by a signal) does not count.
 */
export const brake = (before: Brake, healths: readonly Health[], atMs: number): Brake => {
  const failing = healths.filter(
    ({ incident, cause }) => incident !== null && cause !== null && isSoft(cause),
  );
  const isOn = failing.length >= FEWEST && failing.length * 2 > healths.length;
  if (!isOn) return RELEASED;
  // A beginning that is still to come is of a time before the clock was set back.
  return before.sinceMs === null || before.sinceMs > atMs ? { sinceMs: atMs } : before;
};

export const isBraking = ({ sinceMs }: Brake, atMs: number): boolean =>
  sinceMs !== null && atMs - sinceMs < LONGEST_BRAKE_MS;
