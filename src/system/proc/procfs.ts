import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** What /proc says of a process (proc_pid_stat(5)). */
export interface ProcessStat {
  /** R, S, D, T (stopped), t, Z (zombie, dead), X, I. */
  readonly state: string;
  /** Clock ticks since boot: with the pid it names one process for good. */
  readonly startTicks: number;
}

export const HAS_PROCFS = existsSync('/proc/self/stat');

/** Undefined when there is no such process, or no /proc on this system. */
export const readProcess = (pid: number): ProcessStat | undefined => {
  const fields = readStatFields(pid);
  return fields && { state: fields[0] ?? '?', startTicks: Number(fields[19]) };
};

/** The fields after the command, which may have spaces in it: from the third, the state. */
const readStatFields = (pid: number): readonly string[] | undefined => {
  const stat = readProcFile(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
};

/** How long the process's main thread has had a CPU, and waited for one, since it began (proc_pid_schedstat: sched-stats.rst). */
export const readCpuSchedule = (
  pid: number | 'self',
): { readonly ranMs: number; readonly waitedMs: number } | undefined => {
  const [ranNs, waitedNs] = readProcFile(`/proc/${pid}/schedstat`)?.split(' ').map(Number) ?? [];
  return ranNs === undefined || waitedNs === undefined
    ? undefined
    : { ranMs: ranNs / 1e6, waitedMs: waitedNs / 1e6 };
};

/** When the process was started, by the wall clock; undefined when there is no such process, or no /proc. */
export const processStartedAt = (pid: number): number | undefined => {
  const startTicks = readProcess(pid)?.startTicks;
  const uptimeSeconds = Number.parseFloat(readProcFile('/proc/uptime') ?? '');
  return startTicks === undefined ? undefined : Date.now() - uptimeSeconds * 1_000 + startTicks * TICK_MS;
};

/** USER_HZ, which /proc counts in, is 100 on every Linux of today (proc_pid_stat(5)). */
const TICK_MS = 10;

/** Alive means: there, and not a zombie. Without /proc, whether a signal could be sent. */
export const isAlive = (pid: number): boolean => {
  const state = HAS_PROCFS ? readProcess(pid)?.state : undefined;
  if (state !== undefined) return !'ZX'.includes(state);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** A process's limit of open files (default: this one's); undefined without /proc, or for another user's process. */
export const readOpenFilesLimit = (pid: number | 'self' = 'self'): number | undefined => {
  const limit = Number(/Max open files\s+(\d+)/.exec(readProcFile(`/proc/${pid}/limits`) ?? '')?.[1]);
  return Number.isNaN(limit) ? undefined : limit;
};

/** What a process uses (proc_pid_status(5), proc_pid_stat(5)); undefined is what may not be read, or is not told here. */
export const readUsage = (pid: number) => {
  const rssKib = /VmRSS:\s+(\d+) kB/.exec(readProcFile(`/proc/${pid}/status`) ?? '')?.[1];
  const [userTicks, systemTicks] = readStatFields(pid)?.slice(11, 13) ?? [];
  return {
    rssBytes: rssKib === undefined ? undefined : Number(rssKib) * 1_024,
    cpuMs: userTicks === undefined ? undefined : (Number(userTicks) + Number(systemTicks)) * TICK_MS,
    openFiles: listProcFolder(`/proc/${pid}/fd`).length || undefined,
    openFilesLimit: readOpenFilesLimit(pid),
  };
};

/** Nothing when it may not be read, or when this process is out of files. */
export const listProcFolder = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** The local ports that the system gives to connections (ip(7)); all, where it does not tell. */
export const readEphemeralPortRange = (): { readonly first: number; readonly last: number } => {
  const [first = 1, last = 65_535] =
    readProcFile('/proc/sys/net/ipv4/ip_local_port_range')?.trim().split(/\s+/).map(Number) ?? [];
  return { first, last };
};

export const readProcFile = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
