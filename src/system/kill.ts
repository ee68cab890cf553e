import { readProcess } from './proc/procfs.ts';

/**
 * Sends SIGKILL to the process, if it is still the one with this pid and this start time in clock ticks.
 * @returns false when that process has ended, when another process has the pid by now, or when it is another user's
 */
export const killSameProcess = (pid: number, startTicks: number): boolean => {
  if (readProcess(pid)?.startTicks !== startTicks) return false;
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
};
