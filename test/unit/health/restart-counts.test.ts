import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import {
  describeActions,
  HUNG,
  NOT_THERE,
  type Scenario,
  startScenario,
} from '../../support/health/health-scenario.ts';

const isRestarted = (actions: Parameters<typeof describeActions>[0]): boolean =>
  describeActions(actions).some((line) => line.startsWith('restart '));
const remedyDone = (scenario: Scenario, at: number, error: string | null = null) =>
  scenario.send({ kind: 'remedy_done', at, remedy: 'start', error });

test('a remedy that does not help is repeated after 1, 2, 4 … 30 seconds', () => {
  const scenario = startScenario();
  const pauses: number[] = [];
  let lastRestartAt = 0;
  for (let at = 10_000; pauses.length < 9; at += 250) {
    if (!isRestarted(scenario.check(at, NOT_THERE, null))) continue;
    pauses.push(at - lastRestartAt);
    lastRestartAt = at;
    remedyDone(scenario, at, 'no');
  }
  const seconds = pauses.slice(1).map((ms) => ms / 1_000);
  assert.deepEqual(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('the pause counts from the end of the remedy', () => {
  const scenario = startScenario();
  scenario.check(10_000, NOT_THERE, null);
  remedyDone(scenario, 13_000, 'no');
  assert.equal(isRestarted(scenario.check(13_999, NOT_THERE, null)), false);
  assert.equal(isRestarted(scenario.check(14_000, NOT_THERE, null)), true);
});

describe('the pauses begin anew', () => {
  const endings: Readonly<Record<string, (scenario: Scenario) => void>> = {
    'after a recovery': (scenario) => [20_000, 21_000].map((at) => scenario.check(at, {}, 200)),
    'after a stop by the operator and a success': (scenario) => {
      scenario.check(20_000, { pm2: 'stopped' }, null);
      scenario.check(21_000, {}, 200);
    },
  };
  for (const [name, end] of Object.entries(endings))
    test(name, () => {
      const scenario = startScenario();
      for (const at of [10_000, 12_000, 15_000]) {
        scenario.check(at, NOT_THERE, null);
        remedyDone(scenario, at, 'no');
      }
      end(scenario);
      assert.equal(isRestarted(scenario.check(30_000, NOT_THERE, null)), true);
      remedyDone(scenario, 30_000, 'no');
      assert.equal(isRestarted(scenario.check(31_000, NOT_THERE, null)), true);
    });
});

test('a restart that failed is logged with its reason, and does not count as a restart', () => {
  const scenario = startScenario();
  for (const at of [10_000, 10_250, 10_500]) scenario.check(at, HUNG);
  const actions = scenario.send({
    kind: 'remedy_done',
    at: 11_000,
    remedy: 'force_restart',
    error: 'PM2 is away',
  });
  assert.deepEqual(describeActions(actions), ['❌ Restart of proxy for port 6274 failed: PM2 is away']);
  assert.equal(scenario.health().restarts.forced, 0);
  assert.equal(scenario.health().failures.consecutive, 3);
});

describe('for 5 s after a start, a process that does not answer yet is starting', () => {
  const unreachable = { heartbeat: 'unreachable', accepts: 'failed' } as const;
  const table: readonly [evidence: Partial<Evidence>, afterMs: number, state: string][] = [
    [unreachable, 4_999, 'starting'],
    [unreachable, 5_000, 'degraded'],
    [HUNG, 100, 'degraded'],
    [{ process: 'stopped', heartbeat: 'unreachable' }, 100, 'degraded'],
    [{ process: 'gone' }, 100, 'degraded'],
    [{ listening: 'none' }, 100, 'starting'],
    [{ listening: 'none' }, 5_000, 'degraded'],
  ];
  for (const [evidence, afterMs, state] of table)
    test(`${JSON.stringify(evidence)} after ${afterMs} ms: ${state}`, () => {
      const scenario = startScenario();
      scenario.check(10_000, { pm2: 'launching' }, 200);
      scenario.check(10_000 + afterMs, evidence, 200);
      assert.equal(scenario.health().state, state);
      assert.equal(scenario.health().failures.total, state === 'starting' ? 0 : 1);
    });
});

test('a restart by the monitor gives the same grace period, even when the pid stays the same', () => {
  const scenario = startScenario();
  for (const at of [10_000, 10_250, 10_500]) scenario.check(at, HUNG);
  scenario.send({ kind: 'remedy_done', at: 11_000, remedy: 'force_restart', error: null });
  scenario.check(15_999, { heartbeat: 'unreachable', accepts: 'failed' });
  assert.equal(scenario.health().failures.consecutive, 0);
  scenario.check(16_000, { heartbeat: 'unreachable', accepts: 'failed' });
  assert.equal(scenario.health().failures.consecutive, 1);
});

describe('a crash is counted once', () => {
  const LIST = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
  const reportBySocket = (scenario: Scenario, at: number) => scenario.send({ kind: 'crash', at });
  const reportByList = (scenario: Scenario, at: number, pid: number) => scenario.check(at, LIST, pid);
  const table: Readonly<Record<string, readonly [crash: (scenario: Scenario) => void, crashes: number]>> = {
    'reported by its socket': [(scenario) => reportBySocket(scenario, 10_000), 1],
    "reported by PM2's list": [(scenario) => reportByList(scenario, 10_000, 100), 1],
    'reported by both': [
      (scenario) => [reportBySocket(scenario, 10_000), reportByList(scenario, 10_100, 100)],
      1,
    ],
    'reported by the list twice, then by the socket': [
      (scenario) => [
        reportByList(scenario, 10_000, 100),
        reportByList(scenario, 10_100, 100),
        reportBySocket(scenario, 10_200),
      ],
      1,
    ],
    'reported by its socket twice': [
      (scenario) => [10_000, 10_100].map((at) => reportBySocket(scenario, at)),
      1,
    ],
    'and once more for the next process': [
      (scenario) => [
        reportBySocket(scenario, 10_000),
        scenario.check(10_500, {}, 200),
        reportBySocket(scenario, 10_900),
      ],
      2,
    ],
  };
  for (const [name, [crash, crashes]] of Object.entries(table))
    test(name, () => {
      const scenario = startScenario();
      crash(scenario);
      assert.deepEqual(scenario.health().restarts, { crash: crashes, forced: 0 });
    });

  test('and one that its socket reports of a process that is counted already is no further failure', () => {
    const scenario = startScenario();
    reportByList(scenario, 10_000, 100);
    assert.deepEqual(reportBySocket(scenario, 10_100), []);
    assert.equal(scenario.health().failures.total, 1);
  });
});

test('a process that was killed because it did not stop has not crashed, whatever PM2 shows for a moment', () => {
  const scenario = startScenario();
  scenario.check(10_000, { pm2: 'stopping', stopping: 'overdue', heartbeat: 'silent' });
  scenario.check(10_100, { pm2: 'gave_up', process: 'gone', heartbeat: 'unknown' }, null);
  assert.deepEqual(scenario.send({ kind: 'crash', at: 10_200 }), []);
  assert.deepEqual([scenario.health().restarts.crash, scenario.health().incident], [0, null]);
});

test('a proxy that announced its shutdown may be gone for 5 s before that is a failure', () => {
  const scenario = startScenario();
  scenario.send({ kind: 'shutdown_announced', at: 10_000 });
  const gone = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
  assert.deepEqual(scenario.check(14_999, gone), []);
  assert.equal(scenario.health().state, 'starting');
  scenario.check(15_000, gone);
  assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crashed']);
});
