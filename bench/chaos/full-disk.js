// Small disks, which can be filled.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { missing } from './requirements.js';

/** What it takes; see needs.js. */
export const DISK_NEEDS = ['root', 'mount', 'umount'];

/** For the log lines of one fault; it is memory, and only of what is in it. */
const SIZE = '64m';
const FILLER = 'filler';

/** A disk at each of the folders, which are made; undefined where the machine has not what it takes. */
export const openDisks = (folders) => {
  if (missing(DISK_NEEDS).length > 0) return undefined;
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'steadyport-chaos', folder]);
  }
  return {
    /** Until not one byte more can be written. */
    fill: () => folders.forEach(fill),
    empty: () => {
      for (const folder of folders) rmSync(join(folder, FILLER), { force: true });
    },
    // Lazy: whoever still has a file open there has been killed just now.
    close: () => {
      for (const folder of folders) execFileSync('umount', ['--lazy', folder]);
    },
  };
};

const fill = (folder) => {
  const file = openSync(join(folder, FILLER), 'w');
  for (const chunk of [Buffer.alloc(1_048_576), Buffer.alloc(1)])
    while (isWritten(file, chunk)) {
      // on and on
    }
  closeSync(file);
};

const isWritten = (file, chunk) => {
  try {
    return writeSync(file, chunk) > 0;
  } catch (error) {
    if (error.code === 'ENOSPC') return false;
    throw error;
  }
};
