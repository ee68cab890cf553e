// What must not be left after a fault: a second process of a port, an orphan, stale files, open files.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFilesOf, processesOf } from './processes.js';
import { readStatus } from './status.js';

/** Connections that end, and PM2's own of a command, are given so long to go. */
const PATIENCE_MS = 8_000;
const LOOK_EVERY_MS = 250;
/** PM2's list is fetched over one connection to the daemon, and a status may be under way. */
const SPARE_FILES = 2;

/** What is normal: taken when everything is up and nobody is connected. */
export const takeBaseline = (station) => {
  const files = new Map();
  for (const [pid, role] of processesOf(station.folder)) files.set(role, openFilesOf(pid).length);
  return files;
};

/** @returns one text for each thing that is still wrong after a while; none when all is as it was */
export const leftovers = async (station, baseline) => {
  let left = [];
  for (const giveUpAt = Date.now() + PATIENCE_MS; Date.now() < giveUpAt; await sleep(LOOK_EVERY_MS)) {
    const status = await readStatus(station);
    left = [...strayProcesses(station, status), ...strayFiles(station), ...openFiles(station, baseline)];
    if (left.length === 0) return left;
  }
  return left;
};

const strayProcesses = (station, status) => {
  if (!status) return ['the monitor does not answer'];
  const wanted = new Map([
    [station.pm2Pid(), 'daemon'],
    [status.monitor.pid, 'proxy-monitor'],
    ...status.proxies.map(({ pid, name }) => [pid, name]),
  ]);
  const there = processesOf(station.folder);
  const extra = [...there]
    .filter(([pid]) => !wanted.has(pid))
    .map(([pid, role]) => `extra process ${pid} (${role})`);
  const missing = [...wanted]
    .filter(([pid, role]) => there.get(pid) !== role)
    .map(([pid, role]) => `no ${role} (${pid})`);
  return [...extra, ...missing];
};

/** Files of processes that are no more, and names that do not belong there. */
const strayFiles = ({ folder, env }) => {
  const home = env.STEADYPORT_HOME;
  const alive = processesOf(folder);
  return list(home).flatMap((path) => {
    const name = relative(home, path);
    if (/^ports\/[^/]+\/pid$/.test(name)) {
      const pid = Number(readFileSync(path, 'utf8'));
      return alive.has(pid) ? [] : [`stale ${name} (${pid})`];
    }
    const isKnown =
      /^(monitor\.(sock|json)|(monitor-counts|alerts)\.json|logs\/[^/]+\.log(-\d+-\d+(\.gz)?)?|ports\/[^/]+\/(failures|control\.sock))$/.test(
        name,
      );
    return isKnown ? [] : [`stray file ${name}`];
  });
};

const list = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.path, entry.name));

/** Not of the daemon: PM2 keeps some for each app that it has measured or restarted. */
const openFiles = ({ folder }, baseline) =>
  [...processesOf(folder)].flatMap(([pid, role]) => {
    const normal = role === 'daemon' ? undefined : baseline.get(role);
    const now = openFilesOf(pid);
    if (normal === undefined || now.length <= normal + SPARE_FILES) return [];
    return [`${role} has ${now.length} open files, ${normal} before (${countKinds(now)})`];
  });

/** "12 socket, 3 pipe" */
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
