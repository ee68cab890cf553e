/**
 * The room system/proc: the information of Linux's /proc about processes, sockets and addresses.
 * Elsewhere, or where something may not be read, the answer is undefined, unknown or empty, never an exception.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** The fields of /proc/PID/stat that identify a process and its state (proc_pid_stat(5)). */
export interface ProcessStat {
  /** R, S, D, T (stopped), t, Z (zombie, dead), X, I. */
  readonly state: string;
  /** The start of the process, in clock ticks since boot. With the pid it identifies one process for good. */
  readonly startTicks: number;
}

export const HAS_PROCFS = existsSync('/proc/self/stat');

/** Reads /proc/PID/stat. Undefined when the process does not exist, or on a system without /proc. */
export const readProcess = (pid: number): ProcessStat | undefined => {
  const fields = readStatFields(pid);
  return fields && { state: fields[0] ?? '?', startTicks: Number(fields[19]) };
};

/** The fields from the third one, the state, on. They follow the command, which may contain spaces and brackets. */
const readStatFields = (pid: number): readonly string[] | undefined => {
  const stat = readProcFile(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
};

/**
 * The time that the process's main thread has run on a CPU, and has waited for one, since it started (/proc/PID/schedstat:
 * https://docs.kernel.org/scheduler/sched-stats.html). Undefined where the kernel does not report it.
 */
export const readCpuSchedule = (
  pid: number | 'self',
): { readonly ranMs: number; readonly waitedMs: number } | undefined => {
  const [ranNs, waitedNs] = readProcFile(`/proc/${pid}/schedstat`)?.split(' ').map(Number) ?? [];
  return ranNs === undefined || waitedNs === undefined
    ? undefined
    : { ranMs: ranNs / 1e6, waitedMs: waitedNs / 1e6 };
};

/** The start of the process, in milliseconds of the wall clock; undefined when it does not exist, or without /proc. */
export const processStartedAt = (pid: number): number | undefined => {
  const startTicks = readProcess(pid)?.startTicks;
  const uptimeSeconds = Number.parseFloat(readProcFile('/proc/uptime') ?? '');
  return startTicks === undefined ? undefined : Date.now() - uptimeSeconds * 1_000 + startTicks * TICK_MS;
};

/** The unit of times in /proc: USER_HZ is 100 on every Linux of today (proc_pid_stat(5)). */
const TICK_MS = 10;

/** True when the process exists and is not a zombie. Where /proc does not show it, true when a signal could be sent. */
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

/**
 * The process's limit of open files; undefined without /proc, or for another user's process.
 * @param pid default: this process
 */
export const readOpenFilesLimit = (pid: number | 'self' = 'self'): number | undefined => {
  const limit = Number(/Max open files\s+(\d+)/.exec(readProcFile(`/proc/${pid}/limits`) ?? '')?.[1]);
  return Number.isNaN(limit) ? undefined : limit;
};

/** The resource usage of the process (proc_pid_status(5), proc_pid_stat(5)). A figure that cannot be read is undefined. */
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

/** The names in a folder of /proc; empty when it may not be read, or when this process is out of open files. */
export const listProcFolder = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** The range of local ports that the system gives to connections (ip(7)); all ports where it cannot be read. */
export const readEphemeralPortRange = (): { readonly first: number; readonly last: number } => {
  const [first = 1, last = 65_535] =
    readProcFile('/proc/sys/net/ipv4/ip_local_port_range')?.trim().split(/\s+/).map(Number) ?? [];
  return { first, last };
};

/** The text of a file of /proc; undefined when it cannot be read. */
export const readProcFile = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
