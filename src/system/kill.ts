import { readProcess } from './proc/procfs.ts';

/**
 * SIGKILL to the process that had the pid and began at that tick; false when it has gone, when another has the pid by
 * now, or when it is another user's.
 */
export const killSameProcess = (pid: number, startTicks: number): boolean => {
  if (readProcess(pid)?.startTicks !== startTicks) return false;
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
};
