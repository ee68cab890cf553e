import { closeSync, openSync } from 'node:fs';
import { isOwnLimit } from './own-limits.ts';

/** `in_use`: the process is at its limit of open files, and the reserve is given up. `exhausted`: too few files are left even so. */
export type FileSupply = 'ample' | 'in_use' | 'exhausted';

/** File descriptors that are kept open, so that a process at its limit of open files can still work. */
export interface FileReserve {
  /** Gives the reserve up when the process is at its limit, and takes it back when it is not. Costs one `open` while all is well. */
  check(): FileSupply;
  /** The result of the last check. */
  supply(): FileSupply;
}

/** A look at one port needs few files at a time, and several ports are looked at together. */
const RESERVE_SIZE = 24;
const MIN_FREE_FILES = 8;

/** @param size the number of descriptors; default: RESERVE_SIZE */
export const createFileReserve = (size = RESERVE_SIZE): FileReserve => {
  const held: number[] = [];
  let supply: FileSupply = 'ample';

  const holdOneMore = (): boolean => {
    try {
      held.push(openSync('/dev/null', 'r'));
      return true;
    } catch (error) {
      if (isOwnLimit((error as NodeJS.ErrnoException).code)) return false;
      throw error;
    }
  };

  const release = (count: number): void => {
    for (const fd of held.splice(0, count)) closeSync(fd);
  };

  const check = (): FileSupply => {
    while (held.length <= size && holdOneMore());
    supply = held.length > size ? 'ample' : held.length >= MIN_FREE_FILES ? 'in_use' : 'exhausted';
    release(supply === 'ample' ? 1 : held.length);
    return supply;
  };
  check();
  return { check, supply: () => supply };
};
