import { modifiedAt, readInteger, removeFile } from './files.ts';
import { isAlive, processStartedAt } from './proc/procfs.ts';

/**
 * Removes the pid file of a process that has ended, or whose pid another process has by now.
 * @param knownPid the proxy's pid by other evidence; this pid is the proxy's, whatever the clocks show. null: unknown
 * @returns whether a pid file was removed
 */
export const removeStalePidFile = (path: string, knownPid: number | null): boolean => {
  const pid = readInteger(path);
  if (pid === undefined) return false;
  const writtenAt = modifiedAt(path);
  const isOtherProcess =
    pid !== knownPid &&
    writtenAt !== undefined &&
    (processStartedAt(pid) ?? 0) > writtenAt + CLOCK_TOLERANCE_MS;
  if (isAlive(pid) && !isOtherProcess) return false;
  try {
    removeFile(path);
    return true;
  } catch {
    // A file system that has become read-only must not end the check.
    return false;
  }
};

/** The clocks differ: a process's start is in hundredths of a second since boot, a file's time is by the wall clock. */
const CLOCK_TOLERANCE_MS = 2_000;
