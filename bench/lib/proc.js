// What /proc says of a process group.
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which /proc counts in, is 100 on every Linux of today (proc_pid_stat(5)). */
const TICKS_A_SECOND = 100;

/** CPU seconds so far, user and system, of the process group and of its children that have ended. */
export const cpuSeconds = ({ pid }) => {
  const ticks = groupOf(pid).flatMap(({ fields }) => fields.slice(11, 15).map(Number));
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_A_SECOND;
};

/** CPU seconds so far of the whole machine, those that the kernel took for its timers and packets among them (proc_stat(5)). */
export const machineSeconds = () => {
  const [user, nice, system, , , irq, softirq] = read('/proc/stat')
    .split('\n')[0]
    .split(/ +/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_A_SECOND;
};

/** RSS of one process; of several, that share memory, the sum of their PSS. */
export const residentBytes = ({ pid }) => {
  const group = groupOf(pid);
  if (group.length === 1) return residentBytesOf(pid);
  return group.reduce((sum, process) => sum + memoryOf(process.pid, 'smaps_rollup', 'Pss'), 0);
};

export const residentBytesOf = (pid) => memoryOf(pid, 'status', 'VmRSS');

/** PSS without what is mapped from files: the share of that changes with each other process that starts. */
export const ownBytes = ({ pid }) =>
  groupOf(pid).reduce(
    (sum, process) =>
      sum + memoryOf(process.pid, 'smaps_rollup', 'Pss') - memoryOf(process.pid, 'smaps_rollup', 'Pss_File'),
    0,
  );

/** So far, of the threads that run now: of those that have ended nobody knows. */
export const contextSwitches = ({ pid }) =>
  groupOf(pid)
    .flatMap((process) => threadsOf(process.pid))
    .reduce((sum, path) => sum + switchesOf(read(`${path}/status`)), 0);

/** Whether every thread of the group is traced, as by strace. */
export const isTraced = ({ pid }) =>
  groupOf(pid)
    .flatMap((process) => threadsOf(process.pid))
    .every((path) => !/^TracerPid:\t0$/m.test(read(`${path}/status`)));

export const pidsOf = ({ pid }) => groupOf(pid).map((process) => process.pid);

export const openFiles = ({ pid }) => readdirSync(`/proc/${pid}/fd`).length;

const threadsOf = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);
  } catch {
    return [];
  }
};

const switchesOf = (status) =>
  [...status.matchAll(/ctxt_switches:\t(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);

/** The processes of the group, with the fields of proc_pid_stat(5) from the third on. */
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
