import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTriggerCommands, type MonitorControls, metricsOf } from '../../../src/monitor/pm2-trigger.ts';
import type { Snapshot } from '../../../src/status/snapshot.ts';
import { MONITOR, NOW_MS, proxyStatus } from '../../support/health/status-samples.ts';

const proxy = proxyStatus({ port: 7000, state: 'down', cause: 'hung', checkMs: 4 });
const snapshot: Snapshot = {
  version: 2,
  host: '',
  project: 'default',
  generatedAt: NOW_MS,
  monitor: MONITOR,
  monitorProblem: null,
  proxies: [proxy],
  disabled: [],
  log: [],
};
const IDLE: MonitorControls = {
  status: () => snapshot,
  checkNow: () => {},
  restart: async () => {},
  silence: null,
};

test('a restart goes to the port, by its number or its app, and says what came of it', async () => {
  const requests: string[] = [];
  const commands = createTriggerCommands({ ...IDLE, restart: async (id) => void requests.push(id) });
  assert.equal(await commands['restart']?.('7000'), '7000 was restarted');
  assert.equal(await commands['restart']?.('tcp-proxy-7000'), '7000 was restarted');
  assert.deepEqual(requests, ['7000', '7000']);
  const refused = createTriggerCommands({
    ...IDLE,
    restart: () => Promise.reject(new Error('it is under way')),
  });
  assert.equal(await refused['restart']?.('7000'), '7000 was not restarted: it is under way');
  assert.equal(await commands['restart']?.('70'), 'restart needs a port: 7000; got "70"');
  assert.equal(requests.length, 2);
});

test('silence takes whole minutes', () => {
  const requests: number[] = [];
  const commands = createTriggerCommands({ ...IDLE, silence: (minutes) => void requests.push(minutes) });
  assert.equal(commands['silence']?.('30'), 'no alerts for 30 min');
  assert.equal(commands['silence']?.('0'), 'alerts as usual');
  for (const wrong of ['', '1.5', '-1', '1441', '1e3', 'x'])
    assert.match(
      String(commands['silence']?.(wrong)),
      /^silence needs whole minutes, 0 to 1440; got /,
      wrong,
    );
  assert.deepEqual(requests, [30, 0]);
  assert.equal(createTriggerCommands(IDLE)['silence']?.('30'), 'no alerts are set up');
});

test('check-now checks, and answers when each port was checked', async () => {
  let monitor = MONITOR;
  const checkNow = (): void => {
    monitor = { ...MONITOR, lastCheckAt: Date.now() + 1 };
  };
  const commands = createTriggerCommands({ ...IDLE, checkNow, status: () => ({ ...snapshot, monitor }) });
  assert.equal(await commands['check-now']?.(''), 'The port is down: 7000 hung.');
});

test('a port has one metric for each meaning', () => {
  assert.deepEqual(metricsOf(proxy), {
    '7000 state': 'down (hung)',
    '7000 connections': 3,
    '7000 failures': 5,
    '7000 probe ms': 4,
  });
});
