// Faults of an upstream, which no restart of a proxy remedies.
import { setTimeout as sleep } from 'node:timers/promises';
import { BLACK_HOLE_NEEDS } from '../sandbox/packet-drop.js';
import { NO_RESTART, reportsOnly } from './expected.js';

const LASTS_MS = 8_000;
const fault = (key, title, expected, run) => ({
  key,
  title,
  restarts: 0,
  needsHttpProbe: true,
  expected: [...expected, NO_RESTART],
  run,
});

export const UPSTREAM_FAULTS = [
  fault(
    'dead',
    'upstream dead for 8 s',
    [reportsOnly('upstream_down')],
    async ({ upstream, target, mark }) => {
      mark();
      await upstream.call('close', { port: target.upstreamPort });
      await sleep(LASTS_MS);
      await upstream.call('open', { port: target.upstreamPort, host: '127.0.0.1' });
    },
  ),
  fault(
    'flapping',
    'upstream 1 s up, 1 s down, for 10 s',
    [reportsOnly('upstream_down')],
    async ({ upstream, target, mark }) => {
      mark();
      for (let turn = 0; turn < 5; turn += 1) {
        await upstream.call('close', { port: target.upstreamPort });
        await sleep(1_000);
        await upstream.call('open', { port: target.upstreamPort, host: '127.0.0.1' });
        await sleep(1_000);
      }
    },
  ),
  fault(
    'silent',
    'upstream accepts and does not answer',
    [reportsOnly('upstream_unhealthy')],
    async ({ upstream, target, mark }) => {
      mark();
      await upstream.call('silence', { port: target.upstreamPort });
      // A probe runs every 10 s and waits for 2 s, and two must fail.
      await sleep(2 * LASTS_MS);
      await upstream.call('speak', { port: target.upstreamPort });
    },
  ),
  {
    ...fault(
      'black-hole',
      'upstream whose packets are dropped, both ways',
      [reportsOnly('upstream_down')],
      async ({ blackHole, mark }) => {
        mark();
        blackHole.swallow();
        await sleep(2 * LASTS_MS);
        blackHole.release();
      },
    ),
    needs: BLACK_HOLE_NEEDS,
    isRemote: true,
  },
];
