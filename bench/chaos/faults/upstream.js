// Faults of an upstream: no restart cures them.
import { setTimeout as sleep } from 'node:timers/promises';
import { HOLE_NEEDS } from '../packet-drop.js';
import { NO_RESTART, saysOnly } from './expected.js';

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
  fault('dead', 'upstream dead for 8 s', [saysOnly('upstream_down')], async ({ upstream, target, mark }) => {
    mark();
    await upstream.ask('close', { port: target.upstreamPort });
    await sleep(LASTS_MS);
    await upstream.ask('open', { port: target.upstreamPort, host: '127.0.0.1' });
  }),
  fault(
    'flapping',
    'upstream 1 s up, 1 s down, for 10 s',
    [saysOnly('upstream_down')],
    async ({ upstream, target, mark }) => {
      mark();
      for (let turn = 0; turn < 5; turn += 1) {
        await upstream.ask('close', { port: target.upstreamPort });
        await sleep(1_000);
        await upstream.ask('open', { port: target.upstreamPort, host: '127.0.0.1' });
        await sleep(1_000);
      }
    },
  ),
  fault(
    'silent',
    'upstream accepts and does not answer',
    [saysOnly('upstream_unhealthy')],
    async ({ upstream, target, mark }) => {
      mark();
      await upstream.ask('silence', { port: target.upstreamPort });
      // A probe comes every 10 s, and waits for 2 s, twice.
      await sleep(2 * LASTS_MS);
      await upstream.ask('speak', { port: target.upstreamPort });
    },
  ),
  {
    ...fault(
      'black-hole',
      'upstream whose packets are dropped, both ways',
      [saysOnly('upstream_down')],
      async ({ hole, mark }) => {
        mark();
        hole.swallow();
        await sleep(2 * LASTS_MS);
        hole.release();
      },
    ),
    needs: HOLE_NEEDS,
    isBeyond: true,
  },
];
