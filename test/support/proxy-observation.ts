import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/**
 * Notes the open files of this process.
 * @returns a function that lists those that were opened since and still are, such as "21 socket:[4711]". What an earlier test
 *   has left open, and may close meanwhile, is not among them
 */
export const trackOpenFiles = (): (() => readonly string[]) => {
  const before = new Set(listOpenFiles());
  return () => listOpenFiles().filter((file) => !before.has(file));
};

/** The kernel gives no two sockets or pipes the same number. */
const listOpenFiles = (): readonly string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      // It was closed since it was listed, as the folder itself was.
      return [];
    }
  });

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
