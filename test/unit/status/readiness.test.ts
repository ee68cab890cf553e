import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PROXY_STATES } from '../../../src/health/state.ts';
import { readinessProblem } from '../../../src/status/readiness.ts';
import type { MonitorStatus, Snapshot } from '../../../src/status/snapshot.ts';
import {
  DISABLED,
  MONITOR,
  NOW_MS,
  problemOf,
  proxyStatus,
  snapshotOf,
} from '../../support/health/status-samples.ts';

const withMonitor = (change: Partial<MonitorStatus>): Snapshot => ({
  ...snapshotOf(proxyStatus({})),
  monitor: { ...MONITOR, ...change },
});

describe('of two ports, the second', () => {
  for (const state of PROXY_STATES)
    test(`${state} ${state === 'down' ? 'is' : 'is no'} problem`, () => {
      const cause = state === 'down' ? 'hung' : null;
      const snapshot = snapshotOf(proxyStatus({}), proxyStatus({ port: 6277, state, cause }));
      assert.equal(readinessProblem(snapshot), state === 'down' ? 'down: 6277 (hung)' : null);
    });
});

describe('the supervision', () => {
  const table: readonly [title: string, snapshot: Snapshot, problem: string | null][] = [
    ['works', withMonitor({}), null],
    ['has no monitor', { ...withMonitor({}), monitor: null }, 'no monitor'],
    ['has no ports', snapshotOf(), 'no ports'],
    ['has only ports that are disabled', { ...snapshotOf(), disabled: [DISABLED] }, null],
    [
      'has checks that fail',
      withMonitor({ problems: [problemOf('checks_fail', 'port 6274: a bug', 'report it')] }),
      'checks fail in the monitor itself: port 6274: a bug: report it',
    ],
    [
      'has lost PM2',
      withMonitor({ pm2Problem: 'the PM2 daemon is not running' }),
      'PM2: the PM2 daemon is not running',
    ],
    ['checks a little late', withMonitor({ lastCheckAt: NOW_MS - 10_999 }), null],
    ['checks too late', withMonitor({ lastCheckAt: NOW_MS - 11_000 }), 'the last check is too old'],
  ];
  for (const [title, snapshot, problem] of table)
    test(title, () => assert.equal(readinessProblem(snapshot), problem));
});
