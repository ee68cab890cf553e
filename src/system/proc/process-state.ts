import type { Evidence } from '../../health/types.ts';
import { HAS_PROCFS, isAlive, readProcess } from './procfs.ts';

/** The process's state by /proc; `unknown` when the pid is null, or without /proc. */
export const readProcessState = (pid: number | null): Evidence['process'] => {
  if (pid === null || !HAS_PROCFS) return 'unknown';
  switch (readProcess(pid)?.state) {
    case undefined:
      // /proc may be mounted so that it hides the processes of other users (hidepid in proc(5)).
      return isAlive(pid) ? 'unknown' : 'gone';
    case 'X':
      return 'gone';
    case 'Z':
      return 'zombie';
    case 'T':
    case 't':
      return 'stopped';
    case 'D':
      return 'uninterruptible';
    default:
      return 'alive';
  }
};
