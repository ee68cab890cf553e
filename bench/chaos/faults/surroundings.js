// Faults around a proxy: its port, its open files, its disk.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DISK_NEEDS } from '../full-disk.js';
import { cutLogs, logLines, signal } from '../pm2-sandbox.js';
import { openFilesOf } from '../processes.js';
import { PLACES } from '../sandbox.js';
import { isAllUp, readStatus, statusUntil } from '../status.js';
import { NO_OTHERS, NO_RESTART, says, servesWithin } from './expected.js';

/** A port that is counted as in a crash loop is so for 30 s. */
const SEEN_LIMIT_MS = 60_000;
const LASTS_MS = 5_000;

const stolen = {
  key: 'stolen',
  title: 'port taken by another process, for 5 s, after kill -9 of its proxy',
  shows: { backMs: 'served after its leaving, ms' },
  expected: [
    says('port_in_use'),
    { text: 'names its holder', holds: ({ isNamed }) => isNamed },
    { text: 'leaves it alone', holds: ({ isSpared }) => isSpared },
    { text: 'serves within 3 s of its leaving', holds: ({ backMs }) => backMs <= 3_000 },
    { text: 'no restart but of the killed', holds: ({ restarts }) => restarts === 1 },
    NO_OTHERS,
  ],
  run: async ({ station, clients, thief, target, before, mark }) => {
    const taken = thief.ask('take', { port: target.port });
    mark();
    signal(pidOf(before, target), 'SIGKILL');
    await taken;
    const isSaid = ({ proxies }) => proxies.some(({ cause }) => cause === 'port_in_use');
    const { proxies } = await statusUntil(station, isSaid, SEEN_LIMIT_MS, 'port_in_use');
    const isNamed = proxies.some(({ portOwner }) => portOwner?.includes(`pid ${thief.pid}`));
    await sleep(LASTS_MS);
    const isSpared = await thief.ask('isThere');
    await thief.ask('leave');
    const leftAt = Date.now();
    while (!(await clients.ask('isServed', { windowMs: 200 })) && Date.now() - leftAt < SEEN_LIMIT_MS)
      await sleep(20);
    return { isNamed, isSpared, backMs: Date.now() - leftAt };
  },
  heal: ({ thief }) => thief.ask('leave'),
};

const pidOf = ({ proxies }, { name }) => proxies.find((proxy) => proxy.name === name).pid;

const limitFiles = (pid, limits) => execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${limits}`]);

/** Its successor has PM2's own limit again. */
const files = {
  key: 'files',
  title: 'limit of open files of a running proxy set to 3 more than it has',
  needs: ['prlimit'],
  expected: [servesWithin(12_000), says('open_files_limit'), NO_OTHERS],
  run: async ({ station, target, before, mark }) => {
    const pid = pidOf(before, target);
    mark();
    limitFiles(pid, `${openFilesOf(pid).length + 3}:`);
    const isReplaced = ({ proxies }) =>
      proxies.some(({ name, pid: now }) => name === target.name && now !== pid);
    await statusUntil(station, isReplaced, SEEN_LIMIT_MS, 'another process');
  },
};

const FLOOD = 600;

const flood = {
  key: 'flood',
  title: `${FLOOD} clients that stay, of a proxy with ${PLACES.narrow.files} open files, for 15 s`,
  needs: ['prlimit'],
  place: 'narrow',
  restarts: 0,
  needsHttpProbe: true,
  expected: [NO_RESTART],
  run: async ({ station, clients, target, mark }) => {
    mark();
    await clients.ask('flood', { port: target.port, count: FLOOD });
    await sleep(3 * LASTS_MS);
    const status = await readStatus(station);
    await clients.ask('ebb');
    const { warnings = [] } = status?.proxies.find(({ name }) => name === target.name) ?? {};
    return { said: `warned: ${warnings.join(', ') || 'of nothing'}` };
  },
};

const disk = {
  key: 'disk',
  isAlone: true,
  title: 'disk full for logs and state; kill -9 of a proxy then, and once there is room',
  needs: DISK_NEEDS,
  shows: { keptMs: 'state kept again after, ms' },
  expected: [
    { text: 'serves again within 1 s, both times', holds: ({ gapMs }) => gapMs > 0 && gapMs <= 1_000 },
    { text: 'told once', holds: ({ told }) => told === 1 },
    { text: 'state kept again within 1.5 s of there being room', holds: ({ keptMs }) => keptMs <= 1_500 },
    { text: 'no restart but of the killed', holds: ({ restarts }) => restarts === 2 },
    NO_OTHERS,
  ],
  run: async ({ station, target, before, mark }) => {
    const isUpWithout = (pid) => (status) => isAllUp(status) && pidOf(status, target) !== pid;
    mark();
    station.disks.fill();
    signal(pidOf(before, target), 'SIGKILL');
    const full = await statusUntil(
      station,
      isUpWithout(pidOf(before, target)),
      SEEN_LIMIT_MS,
      'up with a full disk',
    );
    await sleep(LASTS_MS);
    const told = full.log.filter((line) => JSON.parse(line).event === 'state_write_failed').length;
    cutLogs(station);
    station.disks.empty();
    const roomAt = Date.now();
    signal(pidOf(full, target), 'SIGKILL');
    await statusUntil(station, isUpWithout(pidOf(full, target)), SEEN_LIMIT_MS, 'up with room again');
    const state = statSync(join(station.env.STEADYPORT_HOME, 'monitor.json'), { throwIfNoEntry: false });
    const hasLog = logLines(station, 'proxy-monitor').length > 0;
    return {
      told,
      keptMs: (state?.mtimeMs ?? Number.POSITIVE_INFINITY) - roomAt,
      said: hasLog ? 'PM2 goes on with the log' : 'PM2 writes no more log of what it had running',
    };
  },
  heal: ({ station }) => station.disks.empty(),
};

export const SURROUNDINGS_FAULTS = [stolen, files, flood, disk];
