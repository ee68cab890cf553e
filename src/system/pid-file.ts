import { modifiedAt, readInteger, removeFile } from './files.ts';
import { isAlive, processStartedAt } from './proc/procfs.ts';

/**
 * The pid file of a process that is no more, or whose pid another process has by now; true when there was one.
 * @param knownPid the proxy's pid by other evidence: that one is not another's, whatever the clocks say
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
  removeFile(path);
  return true;
};

/** The kernel counts a process's start in hundredths of a second since boot, the file has the wall clock. */
const CLOCK_TOLERANCE_MS = 2_000;
