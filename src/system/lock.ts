import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles, readInteger, removeEmptyFolder, removeFile } from './files.ts';
import { removeStalePidFile } from './pid-file.ts';

/**
 * Takes a lock, which this process then holds until it releases it, or ends in whatever way. The lock is a folder with one
 * file, which has its holder's pid for a name and as its text. Of several processes one takes it, since a folder that is
 * renamed replaces an empty one only (rename(2)); and who clears away what a killed process left can hit nobody else's file.
 * @param path the folder of the lock; the one that it lies in exists
 * @returns the function that releases it; undefined when another process holds it
 * @throws the system's error, such as ENOSPC
 */
export const takeLock = (path: string): (() => void) | undefined => {
  if (findLockHolder(path) !== undefined) return undefined;
  const name = String(process.pid);
  const prepared = `${path}.${name}`;
  try {
    mkdirSync(prepared, { recursive: true, mode: 0o700 });
    writeFileSync(join(prepared, name), name);
    renameSync(prepared, path);
  } catch (error) {
    rmSync(prepared, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  return () => {
    removeFile(join(path, name));
    // It is not empty when another process has taken the lock since.
    removeEmptyFolder(path);
  };
};

/** The pid of the process that holds the lock; undefined when none does, or when it cannot be determined. */
export const findLockHolder = (path: string): number | undefined => {
  for (const name of listFiles(path)) {
    const file = join(path, name);
    removeStalePidFile(file, null);
    const pid = readInteger(file);
    if (pid !== undefined) return pid;
    // A power cut may leave an empty file.
    removeFile(file);
  }
  return undefined;
};
