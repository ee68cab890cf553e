// Small disks that can be filled up.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { missing } from '../requirements.js';

/** The requirements; see requirements.js. */
export const DISK_NEEDS = ['root', 'mount', 'umount'];

/** Enough for the log lines of one fault. A tmpfs takes memory only for its content. */
const SIZE = '64m';
const FILLER = 'filler';

/**
 * Makes the folders and mounts a disk on each.
 * @returns undefined where a requirement is missing
 */
export const openDisks = (folders) => {
  if (missing(DISK_NEEDS).length > 0) return undefined;
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'steadyport-chaos', folder]);
  }
  return {
    /** Fills every disk until not one more byte can be written. */
    fill: () => folders.forEach(fill),
    empty: () => {
      for (const folder of folders) rmSync(join(folder, FILLER), { force: true });
    },
    // Lazy: a process that still has a file open there has just been killed.
    close: () => {
      for (const folder of folders) execFileSync('umount', ['--lazy', folder]);
    },
  };
};

const fill = (folder) => {
  const file = openSync(join(folder, FILLER), 'w');
  for (const chunk of [Buffer.alloc(1_048_576), Buffer.alloc(1)]) while (isWritten(file, chunk));
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
