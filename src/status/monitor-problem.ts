import { MONITOR_APP } from '../config/app-names.ts';

/** A monitor whose process exists and does not answer; null: unknown. */
export interface UnresponsiveMonitor {
  readonly pid: number | null;
  /** The state letter of proc_pid_stat(5). */
  readonly state: string | null;
}

/** Describes the problem of the monitor, and the next step. */
export const describeMonitorProblem = ({ pid, state }: UnresponsiveMonitor): string => {
  const restartCommand = `pm2 restart ${MONITOR_APP}`;
  if (pid === null || state === null) return `it is there, and does not answer: ${restartCommand}`;
  const subject = `the monitor's process ${pid}`;
  if (state === 'T' || state === 't')
    return `${subject} is stopped by a signal (state ${state}): kill -CONT ${pid}, or ${restartCommand}`;
  if (state === 'D')
    return `${subject} waits for the kernel (state D), and no signal ends that: look at the disk and at dmesg`;
  return `${subject} runs (state ${state}), and does not answer: ${restartCommand}`;
};
