// Faults of one proxy.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pm2, setOrder, signal } from '../sandbox/pm2-sandbox.js';
import { isServedWithin, NO_ALERT, NO_WRONG_RESTART, reports, servesWithin } from './expected.js';

const AGAIN_AFTER_HANG = servesWithin(1_500);
/** No client waits in the kernel's queue: the next check of accepting comes after up to 10 s. */
const AGAIN_AFTER_PROBE = servesWithin(12_000);

const signalled = (key, title, name, expected) => ({
  key,
  title,
  expected: [...expected, NO_WRONG_RESTART],
  run: async ({ target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    mark();
    signal(pid, name);
    await untilDetected();
  },
});

/** The monitor checks once a second, so that it has detected the fault by then. */
const untilDetected = () => new Promise((done) => setTimeout(done, 1_500));

const ordered = (key, title, word, expected) => ({
  key,
  title,
  expected: [...expected, NO_WRONG_RESTART],
  run: async ({ pm2Sandbox, target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    setOrder(pm2Sandbox, target.name, word);
    mark();
    signal(pid, 'SIGUSR2');
    await untilDetected();
    setOrder(pm2Sandbox, target.name);
  },
});

/** The order contains the pid, so that the next process does not obey it. */
const stuck = {
  key: 'stuck',
  title: 'stuck data path (kernel engine)',
  engine: 'kernel',
  expected: [servesWithin(3_000), reports('data_path_stuck', 'not_accepting'), NO_WRONG_RESTART],
  run: async ({ pm2Sandbox, target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    mark();
    setOrder(pm2Sandbox, target.name, `stick ${pid}`);
    await untilDetected();
  },
};

const STOP_ACCEPTING = fileURLToPath(new URL('stop-accepting.py', import.meta.url));

const deaf = {
  key: 'deaf',
  title: 'a proxy that does not accept',
  needs: ['python3', 'root'],
  expected: [AGAIN_AFTER_HANG, reports('not_accepting'), NO_WRONG_RESTART],
  run: async ({ target, before, mark }) => {
    const { pid } = before.proxies.find((proxy) => proxy.name === target.name);
    execFileSync('python3', [STOP_ACCEPTING, `${pid}`, `${target.port}`]);
    mark();
    await untilDetected();
  },
};

const byPm2 = (key, title, command) => ({
  key,
  title,
  expected: [NO_ALERT, NO_WRONG_RESTART],
  run: async ({ pm2Sandbox, target, mark }) => {
    mark();
    await pm2(pm2Sandbox, command, target.name);
  },
});

export const PROXY_FAULTS = [
  signalled('kill', 'kill -9 of a proxy', 'SIGKILL', [servesWithin(300)]),
  signalled('stop', 'SIGSTOP of a proxy', 'SIGSTOP', [
    AGAIN_AFTER_HANG,
    reports('stopped_by_signal', 'hung'),
  ]),
  signalled('term', 'SIGTERM of a proxy', 'SIGTERM', [
    { text: 'serves again', holds: ({ serveMs }) => serveMs > 0 },
    NO_ALERT,
  ]),
  ordered('blocked', 'blocked main thread', 'block', [isServedWithin(1_500), reports('hung')]),
  ordered('spinning', 'busy main thread', 'spin', [isServedWithin(1_500), reports('hung')]),
  deaf,
  {
    ...ordered('mute', 'a proxy that accepts and serves nobody (portable engine)', 'mute', [
      AGAIN_AFTER_PROBE,
      reports('not_accepting'),
    ]),
    engine: 'portable',
  },
  stuck,
  byPm2('restart', 'pm2 restart', 'restart'),
  byPm2('reload', 'pm2 reload', 'reload'),
];
