import { modifiedMs, readInteger, remove } from './files.ts';
import { isAlive, startedMs } from './proc/procfs.ts';

/**
 * The pid file of a process that is no more, or whose pid another process has by now; true when there was one.
 * @param known the proxy's pid by other evidence: that one is not another's, whatever the clocks say
 */
export const removeStalePid = (path: string, known: number | null): boolean => {
  const pid = readInteger(path);
  if (pid === undefined) return false;
  const writtenMs = modifiedMs(path);
  const isAnother =
    pid !== known && writtenMs !== undefined && (startedMs(pid) ?? 0) > writtenMs + CLOCK_SLACK_MS;
  if (isAlive(pid) && !isAnother) return false;
  remove(path);
  return true;
};

/** The kernel counts a process's start in hundredths of a second since boot, the file has the wall clock. */
const CLOCK_SLACK_MS = 2_000;
