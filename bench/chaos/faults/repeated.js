// Faults that a restart does not remedy, and faults of every proxy at once.
import { setTimeout as sleep } from 'node:timers/promises';
import { pm2Restarts, setOrder, signal } from '../sandbox/pm2-sandbox.js';
import { statusUntil } from '../sandbox/status.js';
import { NO_WRONG_RESTART, ONE_ALERT, reports, servesWithin } from './expected.js';

const DETECT_LIMIT_MS = 60_000;
const CRASHING_MS = 10_000;
/** PM2 waits for 100 ms, then each time for half as long again: eight pauses take 7 s. */
const MAX_STARTS = 15;

const isTrueOf =
  ({ name }, condition) =>
  ({ proxies }) =>
    condition(proxies.find((proxy) => proxy.name === name));

const crashLoop = {
  key: 'crash-loop',
  shows: { starts: 'starts' },
  title: 'a proxy that exits at each start, until 10 s after the loop is detected',
  expected: [
    reports('crash_loop'),
    ONE_ALERT,
    { text: `at most ${MAX_STARTS} starts`, holds: ({ starts }) => starts <= MAX_STARTS },
    NO_WRONG_RESTART,
  ],
  run: async ({ pm2Sandbox, target, before, mark }) => {
    const startsBefore = (await pm2Restarts(pm2Sandbox)).get(target.name);
    setOrder(pm2Sandbox, `${target.name}.start`, 'exit');
    mark();
    signal(before.proxies.find(({ name }) => name === target.name).pid, 'SIGKILL');
    const isLoop = isTrueOf(target, ({ cause }) => cause === 'crash_loop');
    await statusUntil(pm2Sandbox, isLoop, DETECT_LIMIT_MS, 'a crash loop');
    await sleep(CRASHING_MS);
    const starts = (await pm2Restarts(pm2Sandbox)).get(target.name) - startsBefore;
    return { starts };
  },
  heal: ({ pm2Sandbox, target }) => setOrder(pm2Sandbox, `${target.name}.start`),
};

const useless = {
  key: 'useless',
  title: 'a main thread that is blocked again after each start (maxRestarts 3, restartCooldownMs 4 s)',
  sandbox: 'impatient',
  expected: [
    reports('hung'),
    { text: 'circuit breaker opens once, with an ALERT', holds: ({ gaveUp }) => gaveUp === 1 },
    { text: 'at most 6 restarts', holds: ({ restarts }) => restarts <= 6 },
    {
      text: 'restarted again later, and serves then',
      holds: ({ isRetried, serveMs }) => isRetried && serveMs > 0,
    },
    NO_WRONG_RESTART,
  ],
  run: async ({ pm2Sandbox, target, before, mark }) => {
    setOrder(pm2Sandbox, target.name, 'block');
    setOrder(pm2Sandbox, `${target.name}.start`, 'block');
    mark();
    signal(before.proxies.find(({ name }) => name === target.name).pid, 'SIGUSR2');
    const isOpen = isTrueOf(target, ({ nextRestartAt }) => nextRestartAt !== null);
    const open = await statusUntil(pm2Sandbox, isOpen, DETECT_LIMIT_MS, 'with an open circuit breaker');
    const { pid } = open.proxies.find(({ name }) => name === target.name);
    const isRetried = isTrueOf(target, (proxy) => proxy.pid !== pid && proxy.pid !== null);
    await statusUntil(pm2Sandbox, isRetried, DETECT_LIMIT_MS, 'restarted once more');
    return { isRetried: true };
  },
  // The next restart then helps.
  heal: ({ pm2Sandbox, target }) => {
    setOrder(pm2Sandbox, target.name);
    setOrder(pm2Sandbox, `${target.name}.start`);
  },
};

const every = (key, title, name, expected, restMs) => ({
  key,
  title,
  affectsAll: true,
  isExclusive: true,
  restMs,
  expected: [...expected, NO_WRONG_RESTART],
  run: async ({ before, mark }) => {
    mark();
    for (const { pid } of before.proxies) signal(pid, name);
    await sleep(1_500);
  },
});

/** Five crashes of a port within two minutes are a crash loop. */
const REST_MS = 30_000;

/** The crash loop comes after the faults of all proxies: PM2 restarts such a port slowly for a while. */
export const REPEATED_FAULTS = [
  every('kill-all', 'kill -9 of every proxy at once', 'SIGKILL', [servesWithin(3_000)], REST_MS),
  every(
    'stop-all',
    'SIGSTOP of every proxy at once',
    'SIGSTOP',
    [servesWithin(4_000), reports('stopped_by_signal', 'hung')],
    0,
  ),
  crashLoop,
  useless,
];
