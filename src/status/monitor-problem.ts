/** A monitor that is there and does not answer; null is what nobody knows. */
export interface SilentMonitor {
  readonly pid: number | null;
  /** As in proc_pid_stat(5). */
  readonly state: string | null;
}

/** What is wrong with it, and what to do. */
export const describeSilence = ({ pid, state }: SilentMonitor): string => {
  const restart = 'pm2 restart proxy-monitor';
  if (pid === null || state === null) return `it is there, and does not answer: ${restart}`;
  const its = `the monitor's process ${pid}`;
  if (state === 'T' || state === 't')
    return `${its} is stopped by a signal (state ${state}): kill -CONT ${pid}, or ${restart}`;
  if (state === 'D')
    return `${its} waits for the kernel (state D), and no signal ends that: look at the disk and at dmesg`;
  return `${its} runs (state ${state}), and does not answer: ${restart}`;
};
