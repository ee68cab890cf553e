// Faults of a proxy's resources: its port, its open files, its disk.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DISK_NEEDS } from '../sandbox/full-disk.js';
import { cutLogs, logLines, signal } from '../sandbox/pm2-sandbox.js';
import { openFilesOf } from '../sandbox/processes.js';
import { SANDBOXES } from '../sandbox/sandbox.js';
import { isAllUp, readStatus, statusUntil } from '../sandbox/status.js';
import { NO_RESTART, NO_WRONG_RESTART, reports, servesWithin } from './expected.js';

/** The state of a crash loop, which may come first, lasts for 30 s. */
const DETECT_LIMIT_MS = 60_000;
const LASTS_MS = 5_000;

const portTaken = {
  key: 'stolen',
  title: 'port taken by another process, for 5 s, after kill -9 of its proxy',
  shows: { backMs: 'served after its end, ms' },
  expected: [
    reports('port_in_use'),
    { text: 'names its owner', holds: ({ isNamed }) => isNamed },
    { text: 'does not touch it', holds: ({ isSpared }) => isSpared },
    { text: 'serves within 3 s of its end', holds: ({ backMs }) => backMs <= 3_000 },
    { text: 'no restart but of the killed one', holds: ({ restarts }) => restarts === 1 },
    NO_WRONG_RESTART,
  ],
  run: async ({ pm2Sandbox, clients, squatter, target, before, mark }) => {
    const taken = squatter.call('take', { port: target.port });
    mark();
    signal(pidOf(before, target), 'SIGKILL');
    await taken;
    const isReported = ({ proxies }) => proxies.some(({ cause }) => cause === 'port_in_use');
    const { proxies } = await statusUntil(pm2Sandbox, isReported, DETECT_LIMIT_MS, 'port_in_use');
    const isNamed = proxies.some(({ portOwner }) => portOwner?.includes(`pid ${squatter.pid}`));
    await sleep(LASTS_MS);
    const isSpared = await squatter.call('isThere');
    await squatter.call('leave');
    const leftAt = Date.now();
    while (!(await clients.call('isServed', { windowMs: 200 })) && Date.now() - leftAt < DETECT_LIMIT_MS)
      await sleep(20);
    return { isNamed, isSpared, backMs: Date.now() - leftAt };
  },
  heal: ({ squatter }) => squatter.call('leave'),
};

const pidOf = ({ proxies }, { name }) => proxies.find((proxy) => proxy.name === name).pid;

const limitFiles = (pid, limits) => execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${limits}`]);

/** The next process has PM2's own limit again. */
const files = {
  key: 'files',
  title: 'limit of open files of a running proxy set to 3 more than it has',
  needs: ['prlimit'],
  expected: [servesWithin(12_000), reports('open_files_limit'), NO_WRONG_RESTART],
  run: async ({ pm2Sandbox, target, before, mark }) => {
    const pid = pidOf(before, target);
    mark();
    limitFiles(pid, `${openFilesOf(pid).length + 3}:`);
    const isReplaced = ({ proxies }) =>
      proxies.some(({ name, pid: now }) => name === target.name && now !== pid);
    await statusUntil(pm2Sandbox, isReplaced, DETECT_LIMIT_MS, 'another process');
  },
};

const FLOOD = 600;

const flood = {
  key: 'flood',
  title: `${FLOOD} clients that stay for 15 s at a proxy with a limit of ${SANDBOXES.narrow.files} open files`,
  needs: ['prlimit'],
  sandbox: 'narrow',
  restarts: 0,
  needsHttpProbe: true,
  expected: [NO_RESTART],
  run: async ({ pm2Sandbox, clients, target, mark }) => {
    mark();
    await clients.call('flood', { port: target.port, count: FLOOD });
    await sleep(3 * LASTS_MS);
    const status = await readStatus(pm2Sandbox);
    await clients.call('endFlood');
    const { warnings = [] } = status?.proxies.find(({ name }) => name === target.name) ?? {};
    return { note: `warnings: ${warnings.join(', ') || 'none'}` };
  },
};

const disk = {
  key: 'disk',
  isExclusive: true,
  title: 'disk full for logs and state; kill -9 of a proxy then, and again when there is room',
  needs: DISK_NEEDS,
  shows: { savedMs: 'state saved again after, ms' },
  expected: [
    { text: 'serves again within 1 s, both times', holds: ({ gapMs }) => gapMs > 0 && gapMs <= 1_000 },
    { text: 'logged once', holds: ({ logged }) => logged === 1 },
    { text: 'state saved again within 1.5 s of room on the disk', holds: ({ savedMs }) => savedMs <= 1_500 },
    { text: 'no restart but of the killed one', holds: ({ restarts }) => restarts === 2 },
    NO_WRONG_RESTART,
  ],
  run: async ({ pm2Sandbox, target, before, mark }) => {
    const isUpWithout = (pid) => (status) => isAllUp(status) && pidOf(status, target) !== pid;
    mark();
    pm2Sandbox.disks.fill();
    signal(pidOf(before, target), 'SIGKILL');
    const full = await statusUntil(
      pm2Sandbox,
      isUpWithout(pidOf(before, target)),
      DETECT_LIMIT_MS,
      'up with a full disk',
    );
    await sleep(LASTS_MS);
    const logged = full.log.filter((line) => JSON.parse(line).event === 'state_write_failed').length;
    cutLogs(pm2Sandbox);
    pm2Sandbox.disks.empty();
    const roomAt = Date.now();
    signal(pidOf(full, target), 'SIGKILL');
    await statusUntil(pm2Sandbox, isUpWithout(pidOf(full, target)), DETECT_LIMIT_MS, 'up with room again');
    const state = statSync(join(pm2Sandbox.env.STEADYPORT_HOME, 'monitor.json'), { throwIfNoEntry: false });
    const hasLog = logLines(pm2Sandbox, 'proxy-monitor').length > 0;
    return {
      logged,
      savedMs: (state?.mtimeMs ?? Number.POSITIVE_INFINITY) - roomAt,
      note: hasLog ? 'PM2 continues the log' : 'PM2 writes no more log of the running apps',
    };
  },
  heal: ({ pm2Sandbox }) => pm2Sandbox.disks.empty(),
};

export const SURROUNDINGS_FAULTS = [portTaken, files, flood, disk];
