// Faults of one proxy.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { order, pm2, signal } from '../pm2-sandbox.js';
import { isServedWithin, NO_ALERT, NO_OTHERS, says, servesWithin } from './expected.js';

const AGAIN_AFTER_HANG = servesWithin(1_500);
/** Nobody waits in the kernel's queue: the next check of accepting comes after up to 10 s. */
const AGAIN_AFTER_PROBE = servesWithin(12_000);

const signalled = (key, title, name, expected) => ({
  key,
  title,
  expected: [...expected, NO_OTHERS],
  run: async ({ target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    mark();
    signal(pid, name);
    await seen();
  },
});

/** The monitor looks once a second: by then it knows. */
const seen = () => new Promise((done) => setTimeout(done, 1_500));

const ordered = (key, title, word, expected) => ({
  key,
  title,
  expected: [...expected, NO_OTHERS],
  run: async ({ station, target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    order(station, target.name, word);
    mark();
    signal(pid, 'SIGUSR2');
    await seen();
    order(station, target.name);
  },
});

/** The order has the pid in it: the next process is not to obey it. */
const stuck = {
  key: 'stuck',
  title: 'stuck data path (kernel engine)',
  engine: 'kernel',
  expected: [servesWithin(3_000), says('data_path_stuck', 'not_accepting'), NO_OTHERS],
  run: async ({ station, target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    mark();
    order(station, target.name, `stick ${pid}`);
    await seen();
  },
};

const STOP_ACCEPTING = fileURLToPath(new URL('../stop-accepting.py', import.meta.url));

const deaf = {
  key: 'deaf',
  title: 'a proxy that does not accept',
  needs: ['python3', 'root'],
  expected: [AGAIN_AFTER_HANG, says('not_accepting'), NO_OTHERS],
  run: async ({ target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    execFileSync('python3', [STOP_ACCEPTING, `${pid}`, `${target.port}`]);
    mark();
    await seen();
  },
};

const byPm2 = (key, title, command) => ({
  key,
  title,
  expected: [NO_ALERT, NO_OTHERS],
  run: async ({ station, target, mark }) => {
    mark();
    await pm2(station, command, target.name);
  },
});

export const PROXY_FAULTS = [
  signalled('kill', 'kill -9 of a proxy', 'SIGKILL', [servesWithin(300)]),
  signalled('stop', 'SIGSTOP of a proxy', 'SIGSTOP', [AGAIN_AFTER_HANG, says('stopped_by_signal', 'hung')]),
  signalled('term', 'SIGTERM of a proxy', 'SIGTERM', [
    { text: 'serves again', holds: ({ serveMs }) => serveMs > 0 },
    NO_ALERT,
  ]),
  ordered('blocked', 'blocked main thread', 'block', [isServedWithin(1_500), says('hung')]),
  ordered('spinning', 'busy main thread', 'spin', [isServedWithin(1_500), says('hung')]),
  deaf,
  {
    ...ordered('mute', 'a proxy that accepts and serves nobody (portable engine)', 'mute', [
      AGAIN_AFTER_PROBE,
      says('not_accepting'),
    ]),
    engine: 'portable',
  },
  stuck,
  byPm2('restart', 'pm2 restart', 'restart'),
  byPm2('reload', 'pm2 reload', 'reload'),
];
