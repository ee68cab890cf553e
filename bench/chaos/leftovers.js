// Finds what must not be left after a fault: a second process of a port, an orphan, stale files, open files.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFilesOf, processesOf } from './sandbox/processes.js';
import { readStatus } from './sandbox/status.js';

/** Connections that end, and PM2's own connections of a command, have this long to close. */
const TIMEOUT_MS = 8_000;
const POLL_MS = 250;
/** Two extra open files are normal: the monitor's connection to the daemon for PM2's list, and a status request. */
const SPARE_FILES = 2;

/** Counts the open files of each process. To be taken when everything is up and no client is connected. */
export const takeBaseline = (pm2Sandbox) => {
  const files = new Map();
  for (const [pid, role] of processesOf(pm2Sandbox.folder)) files.set(role, openFilesOf(pid).length);
  return files;
};

/** @returns one text for each leftover that is still there after TIMEOUT_MS; none when all is as before */
export const leftovers = async (pm2Sandbox, baseline) => {
  let left = [];
  for (const giveUpAt = Date.now() + TIMEOUT_MS; Date.now() < giveUpAt; await sleep(POLL_MS)) {
    const status = await readStatus(pm2Sandbox);
    left = [
      ...strayProcesses(pm2Sandbox, status),
      ...strayFiles(pm2Sandbox),
      ...openFiles(pm2Sandbox, baseline),
    ];
    if (left.length === 0) return left;
  }
  return left;
};

const strayProcesses = (pm2Sandbox, status) => {
  if (!status) return ['the monitor does not answer'];
  const expected = new Map([
    [pm2Sandbox.pm2Pid(), 'daemon'],
    [status.monitor.pid, 'proxy-monitor'],
    ...status.proxies.map(({ pid, name }) => [pid, name]),
  ]);
  const there = processesOf(pm2Sandbox.folder);
  const extra = [...there]
    .filter(([pid]) => !expected.has(pid))
    .map(([pid, role]) => `extra process ${pid} (${role})`);
  const missing = [...expected]
    .filter(([pid, role]) => there.get(pid) !== role)
    .map(([pid, role]) => `no ${role} (${pid})`);
  return [...extra, ...missing];
};

/** Finds pid files of processes that have ended, and files with unknown names. */
const strayFiles = ({ folder, env }) => {
  const stateDir = env.STEADYPORT_HOME;
  const alive = processesOf(folder);
  return list(stateDir).flatMap((path) => {
    const name = relative(stateDir, path);
    if (/^ports\/[^/]+\/pid$/.test(name)) {
      const pid = Number(readFileSync(path, 'utf8'));
      return alive.has(pid) ? [] : [`stale ${name} (${pid})`];
    }
    const isKnown =
      /^(monitor\.(sock|json)|(monitor-counts|alerts|accepted|project)\.json|releases\/.+|logs\/[^/]+\.log(-\d+-\d+(\.gz)?)?|ports\/[^/]+\/(failures|lock|control\.sock))$/.test(
        name,
      );
    return isKnown ? [] : [`stray file ${name}`];
  });
};

const list = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.path, entry.name));

/** Leaves out the daemon: PM2 keeps files open for each app that it has measured or restarted. */
const openFiles = ({ folder }, baseline) =>
  [...processesOf(folder)].flatMap(([pid, role]) => {
    const normal = role === 'daemon' ? undefined : baseline.get(role);
    const now = openFilesOf(pid);
    if (normal === undefined || now.length <= normal + SPARE_FILES) return [];
    return [`${role} has ${now.length} open files, ${normal} before (${countKinds(now)})`];
  });

/** @returns for example "12 socket, 3 pipe" */
const countKinds = (links) => {
  const counts = {};
  for (const link of links) {
    const kind = link.startsWith('/') ? 'file' : link.replace(/[:[].*/, '');
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return Object.entries(counts)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
};
