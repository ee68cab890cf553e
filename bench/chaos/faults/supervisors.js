// Faults of those who watch: the monitor, and the PM2 daemon.
import { setTimeout as sleep } from 'node:timers/promises';
import { logLines, signal, startApps } from '../pm2-sandbox.js';
import { readStatus, statusUntil } from '../status.js';
import { NO_RESTART, NONE_LOST } from './expected.js';

const STOPPED_MS = 10_000;
/** The monitor has seen that PM2 is gone. */
const GONE_MS = 3_000;
const ANSWER_LIMIT_MS = 60_000;
const answersAgain = (limitMs) => ({
  text: `the monitor answers again within ${limitMs / 1_000} s`,
  holds: ({ monitorMs }) => monitorMs !== undefined && monitorMs <= limitMs,
});

const untilAnotherMonitor = async (station, before, faultAt) => {
  const isOther = ({ monitor }) => monitor.pid !== before.monitor.pid;
  await statusUntil(station, isOther, ANSWER_LIMIT_MS, 'another monitor');
  return Date.now() - faultAt;
};

export const SUPERVISOR_FAULTS = [
  {
    key: 'monitor-kill',
    shows: { monitorMs: 'it answers again after, ms' },
    isAlone: true,
    endsMonitor: true,
    title: 'kill -9 of the monitor',
    restarts: 0,
    expected: [answersAgain(3_000), NO_RESTART, NONE_LOST],
    run: async ({ station, before, mark, faultAt }) => {
      mark();
      signal(before.monitor.pid, 'SIGKILL');
      return { monitorMs: await untilAnotherMonitor(station, before, faultAt()) };
    },
  },
  {
    key: 'monitor-stop',
    isAlone: true,
    title: 'SIGSTOP of the monitor for 10 s',
    restarts: 0,
    expected: [NO_RESTART, NONE_LOST],
    run: async ({ station, before, mark }) => {
      mark();
      signal(before.monitor.pid, 'SIGSTOP');
      await sleep(STOPPED_MS);
      const isReplaced = (await readStatus(station)) !== undefined;
      signal(before.monitor.pid, 'SIGCONT');
      return { said: isReplaced ? 'replaced by itself' : 'nobody replaces it' };
    },
  },
  {
    key: 'daemon-kill',
    isAlone: true,
    endsMonitor: true,
    title: 'kill -9 of the PM2 daemon, 10 s without one',
    restarts: 0,
    expected: [
      NO_RESTART,
      NONE_LOST,
      {
        text: 'says that PM2 is gone',
        holds: ({ causes }) => causes.some((cause) => /^PM2:.*not running/.test(cause)),
      },
    ],
    run: async ({ station, mark }) => {
      mark();
      signal(station.pm2Pid(), 'SIGKILL');
      await sleep(STOPPED_MS);
      return { after: await readStatus(station), endAt: Date.now() };
    },
    // What the next daemon costs is a row of its own.
    heal: ({ station }) => startApps(station),
  },
  {
    key: 'daemon-back',
    shows: { awayMs: 'nobody listened on a port for at most, ms' },
    isAlone: true,
    endsMonitor: true,
    title: 'PM2 daemon killed; pm2 start ecosystem',
    isAboutAll: true,
    expected: [
      { text: 'every port serves again', holds: ({ serveMs }) => serveMs < 10_000 },
      {
        text: 'no false alarm',
        holds: ({ detectMs }) => detectMs === undefined,
      },
      {
        text: 'each proxy says how long its port was away',
        holds: ({ took, proxies }) => took === proxies,
      },
    ],
    run: async ({ station, proxies, mark, faultAt }) => {
      signal(station.pm2Pid(), 'SIGKILL');
      await sleep(GONE_MS);
      mark();
      await startApps(station);
      const away = proxies.flatMap(({ name }) =>
        logLines(station, name)
          .filter(({ event, time }) => event === 'predecessor_replaced' && Date.parse(time) >= faultAt())
          .map(({ awayMs }) => awayMs),
      );
      return { took: away.length, proxies: proxies.length, awayMs: Math.max(...away) };
    },
  },
  {
    key: 'daemon-stop',
    isAlone: true,
    title: 'SIGSTOP of the PM2 daemon for 20 s',
    restarts: 0,
    expected: [
      NO_RESTART,
      NONE_LOST,
      {
        text: 'says that PM2 does not answer',
        holds: ({ causes }) => causes.some((cause) => cause.startsWith('PM2:')),
      },
    ],
    run: async ({ station, mark }) => {
      mark();
      const pid = station.pm2Pid();
      signal(pid, 'SIGSTOP');
      await sleep(2 * STOPPED_MS);
      signal(pid, 'SIGCONT');
    },
  },
];
