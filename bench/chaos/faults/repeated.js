// Faults that a restart does not cure, and faults of every proxy at once.
import { setTimeout as sleep } from 'node:timers/promises';
import { order, pm2Restarts, signal } from '../pm2-sandbox.js';
import { statusUntil } from '../status.js';
import { NO_OTHERS, ONE_ALERT, says, servesWithin } from './expected.js';

const SEEN_LIMIT_MS = 60_000;
const GOES_ON_MS = 10_000;
/** PM2 waits for 100 ms, then for half as much again each time: eight pauses are 7 s. */
const MOST_STARTS = 15;

const of =
  ({ name }, wanted) =>
  ({ proxies }) =>
    wanted(proxies.find((proxy) => proxy.name === name));

const crashLoop = {
  key: 'crash-loop',
  shows: { starts: 'starts' },
  title: 'a proxy that exits at each start, until 10 s after that is known',
  expected: [
    says('crash_loop'),
    ONE_ALERT,
    { text: `at most ${MOST_STARTS} starts`, holds: ({ starts }) => starts <= MOST_STARTS },
    NO_OTHERS,
  ],
  run: async ({ station, target, before, mark }) => {
    const startsBefore = (await pm2Restarts(station)).get(target.name);
    order(station, `${target.name}.start`, 'exit');
    mark();
    signal(before.proxies.find(({ name }) => name === target.name).pid, 'SIGKILL');
    const isLoop = of(target, ({ cause }) => cause === 'crash_loop');
    await statusUntil(station, isLoop, SEEN_LIMIT_MS, 'a crash loop');
    await sleep(GOES_ON_MS);
    const starts = (await pm2Restarts(station)).get(target.name) - startsBefore;
    return { starts };
  },
  heal: ({ station, target }) => order(station, `${target.name}.start`),
};

const useless = {
  key: 'useless',
  title: 'a main thread that is blocked again after each start (budget 3, breaker 4 s)',
  place: 'impatient',
  expected: [
    says('hung'),
    { text: 'given up once, with an ALERT', holds: ({ gaveUp }) => gaveUp === 1 },
    { text: 'at most 6 restarts', holds: ({ restarts }) => restarts <= 6 },
    {
      text: 'tried again later, and serves then',
      holds: ({ isRetried, serveMs }) => isRetried && serveMs > 0,
    },
    NO_OTHERS,
  ],
  run: async ({ station, target, before, mark }) => {
    order(station, target.name, 'block');
    order(station, `${target.name}.start`, 'block');
    mark();
    signal(before.proxies.find(({ name }) => name === target.name).pid, 'SIGUSR2');
    const isGivenUp = of(target, ({ nextRestartAt }) => nextRestartAt !== null);
    const given = await statusUntil(station, isGivenUp, SEEN_LIMIT_MS, 'given up');
    const { pid } = given.proxies.find(({ name }) => name === target.name);
    const isRetried = of(target, (proxy) => proxy.pid !== pid && proxy.pid !== null);
    await statusUntil(station, isRetried, SEEN_LIMIT_MS, 'tried once more');
    return { isRetried: true };
  },
  // The next try then helps.
  heal: ({ station, target }) => {
    order(station, target.name);
    order(station, `${target.name}.start`);
  },
};

const every = (key, title, name, expected, restMs) => ({
  key,
  title,
  isAboutAll: true,
  isAlone: true,
  restMs,
  expected: [...expected, NO_OTHERS],
  run: async ({ before, mark }) => {
    mark();
    for (const { pid } of before.proxies) signal(pid, name);
    await sleep(1_500);
  },
});

/** Five crashes of a port within two minutes are a crash loop. */
const REST_MS = 30_000;

/** A port that has been in a crash loop is slow to come back for a while: that comes after the others. */
export const REPEATED_FAULTS = [
  every('kill-all', 'kill -9 of every proxy at once', 'SIGKILL', [servesWithin(3_000)], REST_MS),
  every(
    'stop-all',
    'SIGSTOP of every proxy at once',
    'SIGSTOP',
    [servesWithin(4_000), says('stopped_by_signal', 'hung')],
    0,
  ),
  crashLoop,
  useless,
];
