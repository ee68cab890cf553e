import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Actions, createActions, metricsOf } from '../../../src/monitor/pm2-actions.ts';
import type { Snapshot } from '../../../src/status/snapshot.ts';
import { MONITOR, NOW_MS, proxyStatus } from '../../support/status-samples.ts';

const proxy = proxyStatus({ port: 7000, state: 'down', cause: 'hung', checkMs: 4 });
const snapshot: Snapshot = {
  ...{ version: 1, generatedAt: NOW_MS, monitorProblem: null, log: [] },
  ...{ monitor: MONITOR, proxies: [proxy] },
};
const idle: Actions = { status: () => snapshot, checkNow: () => {}, restart: async () => {}, silence: null };

test('a restart goes to the port, by its number or its app, and says what came of it', async () => {
  const asked: string[] = [];
  const orders = createActions({ ...idle, restart: async (id) => void asked.push(id) });
  assert.equal(await orders['restart']?.('7000'), '7000 was restarted');
  assert.equal(await orders['restart']?.('tcp-proxy-7000'), '7000 was restarted');
  assert.deepEqual(asked, ['7000', '7000']);
  const refused = createActions({ ...idle, restart: () => Promise.reject(new Error('it is under way')) });
  assert.equal(await refused['restart']?.('7000'), '7000 was not restarted: it is under way');
  assert.equal(await orders['restart']?.('70'), 'restart needs a port: 7000; got "70"');
  assert.equal(asked.length, 2);
});

test('silence takes whole minutes', () => {
  const asked: number[] = [];
  const silent = createActions({ ...idle, silence: (minutes) => void asked.push(minutes) });
  assert.equal(silent['silence']?.('30'), 'no alerts for 30 min');
  assert.equal(silent['silence']?.('0'), 'alerts as usual');
  for (const wrong of ['', '1.5', '-1', '1441', '1e3', 'x'])
    assert.match(String(silent['silence']?.(wrong)), /^silence needs whole minutes, 0 to 1440; got /, wrong);
  assert.deepEqual(asked, [30, 0]);
  assert.equal(createActions(idle)['silence']?.('30'), 'no alerts are set up');
});

test('check-now looks, and answers when each port was looked at', async () => {
  let monitor = MONITOR;
  const checkNow = (): void => {
    monitor = { ...MONITOR, lastCheckAt: Date.now() + 1 };
  };
  const orders = createActions({ ...idle, checkNow, status: () => ({ ...snapshot, monitor }) });
  assert.equal(await orders['check-now']?.(''), '1 of 1 ports not up: 7000 hung');
});

test('a port has one figure for each meaning', () => {
  assert.deepEqual(metricsOf(proxy), {
    '7000 state': 'down (hung)',
    '7000 connections': 3,
    '7000 failures': 5,
    '7000 probe ms': 4,
  });
});
