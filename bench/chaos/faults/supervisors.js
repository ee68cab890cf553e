// Faults of the supervisors: the monitor and the PM2 daemon.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { logLines, pm2, signal, startApps } from '../sandbox/pm2-sandbox.js';
import { readStatus, statusUntil } from '../sandbox/status.js';
import { NO_ALERT, NO_RESTART, NO_WRONG_RESTART, NONE_LOST, reports } from './expected.js';

const STOPPED_MS = 10_000;
/** The monitor has detected within this time that PM2 is gone. */
const DETECTED_MS = 3_000;
const ANSWER_LIMIT_MS = 60_000;
const answersAgain = (limitMs) => ({
  text: `the monitor answers again within ${limitMs / 1_000} s`,
  holds: ({ monitorMs }) => monitorMs !== undefined && monitorMs <= limitMs,
});

/** Fewer files than a monitor has open: it can open none. */
const FEW_FILES = 8;

/** Waits until the monitor reports a problem of this kind. @returns the status */
const problemUntil = (pm2Sandbox, kind) =>
  statusUntil(
    pm2Sandbox,
    ({ monitor }) => monitor.problems.some((problem) => problem.kind === kind),
    ANSWER_LIMIT_MS,
    `the problem ${kind}`,
  );

/** @param files the limit of the process's open files. @returns a function that restores it */
const limitFiles = (pid, files) => {
  const prlimit = (...args) => String(execFileSync('prlimit', ['--pid', String(pid), ...args])).trim();
  const soft = prlimit('--nofile', '--noheadings', '--raw', '--output', 'SOFT');
  prlimit(`--nofile=${files}:`);
  return () => prlimit(`--nofile=${soft}:`);
};

/** Stops the target's process by a signal, and waits until another one serves. */
const stopUntilReplaced = async (pm2Sandbox, before, target) => {
  const { pid } = before.proxies.find(({ name }) => name === target.name);
  signal(pid, 'SIGSTOP');
  const isReplaced = ({ proxies }) =>
    proxies.some((proxy) => proxy.name === target.name && proxy.state === 'up' && proxy.pid !== pid);
  await statusUntil(pm2Sandbox, isReplaced, ANSWER_LIMIT_MS, 'another process');
};

const SAYS_SO = {
  text: 'says that PM2 does not supervise',
  holds: ({ after }) => after.monitor.problems.some(({ kind }) => kind === 'pm2_lost'),
};

/** @returns the time from the fault until another monitor process answers, in ms */
const untilAnotherMonitor = async (pm2Sandbox, before, faultAt) => {
  const isReplaced = ({ monitor }) => monitor.pid !== before.monitor.pid;
  await statusUntil(pm2Sandbox, isReplaced, ANSWER_LIMIT_MS, 'another monitor');
  return Date.now() - faultAt;
};

export const SUPERVISOR_FAULTS = [
  {
    key: 'monitor-kill',
    shows: { monitorMs: 'it answers again after, ms' },
    isExclusive: true,
    endsMonitor: true,
    title: 'kill -9 of the monitor',
    restarts: 0,
    expected: [answersAgain(3_000), NO_RESTART, NONE_LOST],
    run: async ({ pm2Sandbox, before, mark, faultAt }) => {
      mark();
      signal(before.monitor.pid, 'SIGKILL');
      return { monitorMs: await untilAnotherMonitor(pm2Sandbox, before, faultAt()) };
    },
  },
  {
    key: 'monitor-stop',
    isExclusive: true,
    title: 'SIGSTOP of the monitor for 10 s',
    restarts: 0,
    expected: [NO_RESTART, NONE_LOST],
    run: async ({ pm2Sandbox, before, mark }) => {
      mark();
      signal(before.monitor.pid, 'SIGSTOP');
      await sleep(STOPPED_MS);
      const isReplaced = (await readStatus(pm2Sandbox)) !== undefined;
      signal(before.monitor.pid, 'SIGCONT');
      return { note: isReplaced ? 'replaced by itself' : 'not replaced' };
    },
  },
  {
    key: 'daemon-kill',
    isExclusive: true,
    endsMonitor: true,
    title: 'kill -9 of the PM2 daemon, 10 s without one',
    restarts: 0,
    expected: [
      NO_RESTART,
      NONE_LOST,
      {
        text: 'reports that PM2 is gone',
        holds: ({ causes }) => causes.some((cause) => /^PM2:.*not running/.test(cause)),
      },
      SAYS_SO,
    ],
    run: async ({ pm2Sandbox, mark }) => {
      mark();
      signal(pm2Sandbox.pm2Pid(), 'SIGKILL');
      await sleep(STOPPED_MS);
      return { after: await readStatus(pm2Sandbox), endAt: Date.now() };
    },
    // The fault daemon-back measures the start of the next daemon.
    heal: ({ pm2Sandbox }) => startApps(pm2Sandbox),
  },
  {
    key: 'daemon-back',
    shows: { awayMs: 'longest time without a listener, ms' },
    isExclusive: true,
    endsMonitor: true,
    title: 'PM2 daemon killed; pm2 start ecosystem',
    affectsAll: true,
    expected: [
      { text: 'every port serves again', holds: ({ serveMs }) => serveMs < 10_000 },
      {
        text: 'no false alarm',
        holds: ({ detectMs }) => detectMs === undefined,
      },
      {
        text: 'each proxy logs how long its port had no listener',
        holds: ({ logged, proxies }) => logged === proxies,
      },
    ],
    run: async ({ pm2Sandbox, proxies, mark, faultAt }) => {
      signal(pm2Sandbox.pm2Pid(), 'SIGKILL');
      await sleep(DETECTED_MS);
      mark();
      await startApps(pm2Sandbox);
      const away = proxies.flatMap(({ name }) =>
        logLines(pm2Sandbox, name)
          .filter(({ event, time }) => event === 'predecessor_replaced' && Date.parse(time) >= faultAt())
          .map(({ awayMs }) => awayMs),
      );
      return { logged: away.length, proxies: proxies.length, awayMs: Math.max(...away) };
    },
  },
  {
    key: 'daemon-empty',
    isExclusive: true,
    endsMonitor: true,
    title: 'PM2 daemon killed; pm2 list launches an empty one',
    restarts: 0,
    expected: [NO_RESTART, NONE_LOST, SAYS_SO],
    run: async ({ pm2Sandbox, mark }) => {
      mark();
      signal(pm2Sandbox.pm2Pid(), 'SIGKILL');
      await pm2(pm2Sandbox, 'list');
      return { after: await problemUntil(pm2Sandbox, 'pm2_lost'), endAt: Date.now() };
    },
    heal: ({ pm2Sandbox }) => startApps(pm2Sandbox),
  },
  {
    key: 'pm2-pid-lost',
    isExclusive: true,
    title: 'pm2.pid removed; SIGSTOP of a proxy',
    expected: [NO_WRONG_RESTART, reports('stopped_by_signal')],
    run: async ({ pm2Sandbox, before, target, mark }) => {
      const daemonPid = pm2Sandbox.pm2Pid();
      const pidFile = join(pm2Sandbox.folder, 'pm2/pm2.pid');
      rmSync(pidFile);
      mark();
      await stopUntilReplaced(pm2Sandbox, before, target);
      writeFileSync(pidFile, String(daemonPid));
    },
  },
  {
    key: 'files-swept',
    shows: { monitorMs: 'it answers again after, ms' },
    isExclusive: true,
    endsMonitor: true,
    title: 'control sockets and pid files removed; monitor restarted',
    restarts: 0,
    expected: [answersAgain(10_000), NO_RESTART, NONE_LOST],
    run: async ({ pm2Sandbox, before, mark, faultAt }) => {
      mark();
      rmSync(join(pm2Sandbox.env.STEADYPORT_HOME, 'ports'), { recursive: true });
      rmSync(join(pm2Sandbox.env.STEADYPORT_HOME, 'monitor.sock'));
      await pm2(pm2Sandbox, 'restart', 'proxy-monitor');
      return { monitorMs: await untilAnotherMonitor(pm2Sandbox, before, faultAt()) };
    },
  },
  {
    key: 'monitor-files',
    isExclusive: true,
    title: 'the monitor may open no file for 10 s (prlimit)',
    restarts: 0,
    expected: [NO_RESTART, NONE_LOST, NO_ALERT],
    run: async ({ before, mark }) => {
      const restore = limitFiles(before.monitor.pid, FEW_FILES);
      mark();
      await sleep(STOPPED_MS);
      restore();
    },
  },
  {
    key: 'daemon-stop',
    isExclusive: true,
    title: 'SIGSTOP of the PM2 daemon for 20 s',
    restarts: 0,
    expected: [
      NO_RESTART,
      NONE_LOST,
      {
        text: 'reports that PM2 does not answer',
        holds: ({ causes }) => causes.some((cause) => cause.startsWith('PM2:')),
      },
    ],
    run: async ({ pm2Sandbox, mark }) => {
      mark();
      const pid = pm2Sandbox.pm2Pid();
      signal(pid, 'SIGSTOP');
      await sleep(2 * STOPPED_MS);
      signal(pid, 'SIGCONT');
    },
  },
];
