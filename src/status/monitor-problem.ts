/** A monitor that is there and does not answer; null is what nobody knows. */
export interface UnresponsiveMonitor {
  readonly pid: number | null;
  /** As in proc_pid_stat(5). */
  readonly state: string | null;
}

/** What is wrong with it, and what to do. */
export const describeMonitorProblem = ({ pid, state }: UnresponsiveMonitor): string => {
  const restartCommand = 'pm2 restart proxy-monitor';
  if (pid === null || state === null) return `it is there, and does not answer: ${restartCommand}`;
  const subject = `the monitor's process ${pid}`;
  if (state === 'T' || state === 't')
    return `${subject} is stopped by a signal (state ${state}): kill -CONT ${pid}, or ${restartCommand}`;
  if (state === 'D')
    return `${subject} waits for the kernel (state D), and no signal ends that: look at the disk and at dmesg`;
  return `${subject} runs (state ${state}), and does not answer: ${restartCommand}`;
};
