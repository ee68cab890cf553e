// Reads from /proc the processes of one PM2 sandbox.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** @returns the role of every process that has this folder in its environment, by its pid */
export const processesOf = (folder) => {
  const found = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const environment = read(`/proc/${entry}/environ`);
    const isOurs = environment.includes(`PM2_HOME=${folder}/`);
    if (isOurs && stateOf(Number(entry)) !== 'Z') found.set(Number(entry), roleOf(entry, environment));
  }
  return found;
};

/** @returns "daemon", or PM2's name of the app, such as "tcp-proxy-6274", or the command line */
const roleOf = (entry, environment) => {
  const command = read(`/proc/${entry}/cmdline`).replaceAll('\0', ' ').trim();
  if (/God Daemon/.test(command)) return 'daemon';
  return /(?:^|\0)name=([^\0]*)/.exec(environment)?.[1] ?? command;
};

const stateOf = (pid) => statOf(pid)[0];

export const openFilesOf = (pid) => list(`/proc/${pid}/fd`).map((fd) => linkOf(join(`/proc/${pid}/fd`, fd)));

/** @returns the fields of proc_pid_stat(5) from the third on */
const statOf = (pid) => {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
};

export const residentBytes = (pid) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1_024;

/** @returns the CPU time of its threads so far, in ms, from schedstat (sched-stats.rst): finer than proc_pid_stat(5) */
export const cpuMs = (pid) =>
  list(`/proc/${pid}/task`).reduce(
    (sum, thread) => sum + Number.parseInt(read(`/proc/${pid}/task/${thread}/schedstat`) || '0', 10) / 1e6,
    0,
  );

const list = (folder) => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const linkOf = (path) => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
