// Reads from /proc the figures of a process group.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** USER_HZ, the unit of /proc, is 100 on every current Linux (proc_pid_stat(5)). */
const TICKS_PER_SECOND = 100;

const PAGE_BYTES = 4_096;

/** @returns the CPU seconds so far, user and system, of the process group and of its children that have ended */
export const cpuSeconds = ({ pid }) => {
  const ticks = groupOf(pid).flatMap(({ fields }) => fields.slice(11, 15).map(Number));
  return ticks.reduce((sum, count) => sum + count, 0) / TICKS_PER_SECOND;
};

/** @returns the CPU seconds so far of the whole machine, including the kernel's timers and packets (proc_stat(5)) */
export const machineSeconds = () => {
  const [user, nice, system, , , irq, softirq] = read('/proc/stat')
    .split('\n')[0]
    .split(/ +/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
};

/** @returns the RSS of a single process, or the sum of the PSS of several, which share memory */
export const residentBytes = ({ pid }) => {
  const group = groupOf(pid);
  if (group.length === 1) return residentBytesOf(pid);
  return group.reduce((sum, process) => sum + memoryOf(process.pid, 'smaps_rollup', 'Pss'), 0);
};

export const residentBytesOf = (pid) => memoryOf(pid, 'status', 'VmRSS');

/** @returns the PSS without mapped files, whose shares change whenever another process starts */
export const ownBytes = ({ pid }) =>
  groupOf(pid).reduce(
    (sum, process) =>
      sum + memoryOf(process.pid, 'smaps_rollup', 'Pss') - memoryOf(process.pid, 'smaps_rollup', 'Pss_File'),
    0,
  );

/** @returns the context switches so far of the running threads; those of ended threads are unknown */
export const contextSwitches = ({ pid }) =>
  groupOf(pid)
    .flatMap((process) => threadsOf(process.pid))
    .reduce((sum, path) => sum + switchesOf(read(`${path}/status`)), 0);

/** @returns whether every thread of the group is traced, for example by strace */
export const isTraced = ({ pid }) =>
  groupOf(pid)
    .flatMap((process) => threadsOf(process.pid))
    .every((path) => !/^TracerPid:\t0$/m.test(read(`${path}/status`)));

export const pidsOf = ({ pid }) => groupOf(pid).map((process) => process.pid);

export const openFiles = ({ pid }) => readdirSync(`/proc/${pid}/fd`).length;

/** @returns the connections so far that the system has aborted because it had no more memory for TCP (tcp_mem of tcp(7)) */
export const abortedForMemory = () => {
  const [names, values] = [...read('/proc/net/netstat').matchAll(/^TcpExt: (.*)$/gm)].map(([, line]) =>
    line.split(' '),
  );
  return Number(values[names.indexOf('TCPAbortOnMemory')]);
};

/** @returns the bytes in the buffers of all TCP sockets of the machine; the unit of /proc is a page */
export const tcpBytes = () =>
  Number(/^TCP: .* mem (\d+)$/m.exec(read('/proc/net/sockstat'))?.[1] ?? 0) * PAGE_BYTES;

/** @returns the open files of the process group: `sockets`, `pipes`, and `others` */
export const openFilesByKind = ({ pid }) => {
  const files = { sockets: 0, pipes: 0, others: 0 };
  for (const process of groupOf(pid))
    for (const path of filesOf(process.pid)) {
      if (path.startsWith('socket:')) files.sockets += 1;
      else if (path.startsWith('pipe:')) files.pipes += 1;
      else files.others += 1;
    }
  return files;
};

/** Files that are closed meanwhile are left out. */
const filesOf = (pid) =>
  list(`/proc/${pid}/fd`).flatMap((file) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${file}`)];
    } catch {
      return [];
    }
  });

const threadsOf = (pid) => list(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);

const switchesOf = (status) =>
  [...status.matchAll(/ctxt_switches:\t(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);

/** @returns the processes of the group, with the fields of proc_pid_stat(5) from the third on */
const groupOf = (group) =>
  readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    const stat = read(`/proc/${entry}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[2]) === group ? [{ pid: Number(entry), fields }] : [];
  });

const memoryOf = (pid, file, key) => {
  const kilobytes = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(read(`/proc/${pid}/${file}`))?.[1];
  return Number(kilobytes ?? 0) * 1024;
};

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const list = (folder) => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};
