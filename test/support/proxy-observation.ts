import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The number of open files of this process. */
export const openFiles = (): number => readdirSync('/proc/self/fd').length;

/**
 * Settles when the number has grown, and then has not changed over STALL_ROUNDS rounds. No event announces a stall, and a
 * round is no measure of time: on a busy machine it takes longer for this process and for what it waits for.
 */
export const stalled = async (bytes: () => number): Promise<void> => {
  for (let same = 0, before = 0; same < STALL_ROUNDS; before = bytes()) {
    await sleep(1);
    same = bytes() > 0 && bytes() === before ? same + 1 : 0;
  }
};
const STALL_ROUNDS = 300;
