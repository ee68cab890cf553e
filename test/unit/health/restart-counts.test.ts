import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import {
  describeActions,
  HUNG,
  NOT_THERE,
  type Scenario,
  startScenario,
} from '../../support/health-scenario.ts';

const isRestarted = (actions: Parameters<typeof describeActions>[0]): boolean =>
  describeActions(actions).some((line) => line.startsWith('restart '));
const cured = (scenario: Scenario, at: number, error: string | null = null) =>
  scenario.send({ kind: 'remedy_done', at, remedy: 'start', error });

test('a cure that does not help is tried again after 1, 2, 4 … 30 seconds', () => {
  const scenario = startScenario();
  const pauses: number[] = [];
  let lastMs = 0;
  for (let at = 10_000; pauses.length < 9; at += 250) {
    if (!isRestarted(scenario.check(at, NOT_THERE, null))) continue;
    pauses.push(at - lastMs);
    lastMs = at;
    cured(scenario, at, 'no');
  }
  const seconds = pauses.slice(1).map((ms) => ms / 1_000);
  assert.deepEqual(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('the pause counts from the end of the cure', () => {
  const scenario = startScenario();
  scenario.check(10_000, NOT_THERE, null);
  cured(scenario, 13_000, 'no');
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
        cured(scenario, at, 'no');
      }
      end(scenario);
      assert.equal(isRestarted(scenario.check(30_000, NOT_THERE, null)), true);
      cured(scenario, 30_000, 'no');
      assert.equal(isRestarted(scenario.check(31_000, NOT_THERE, null)), true);
    });
});

test('a restart that failed is said with its reason, and is no restart', () => {
  const scenario = startScenario();
  for (const at of [10_000, 10_250, 10_500]) scenario.check(at, HUNG);
  const said = scenario.send({
    kind: 'remedy_done',
    at: 11_000,
    remedy: 'force_restart',
    error: 'PM2 is away',
  });
  assert.deepEqual(describeActions(said), ['❌ Restart of proxy for port 6274 failed: PM2 is away']);
  assert.equal(scenario.health().restarts.forced, 0);
  assert.equal(scenario.health().failures.consecutive, 3);
});

describe('for 5 s after a start, a process that does not answer yet is starting', () => {
  const unreachable = { heartbeat: 'unreachable' } as const;
  const table: readonly [seen: Partial<Evidence>, afterMs: number, state: string][] = [
    [unreachable, 4_999, 'starting'],
    [unreachable, 5_000, 'degraded'],
    [HUNG, 100, 'degraded'],
    [{ process: 'stopped', heartbeat: 'unreachable' }, 100, 'degraded'],
    [{ process: 'gone' }, 100, 'degraded'],
    [{ listening: 'none' }, 100, 'starting'],
    [{ listening: 'none' }, 5_000, 'degraded'],
  ];
  for (const [seen, afterMs, state] of table)
    test(`${JSON.stringify(seen)} after ${afterMs} ms: ${state}`, () => {
      const scenario = startScenario();
      scenario.check(10_000, { pm2: 'launching' }, 200);
      scenario.check(10_000 + afterMs, seen, 200);
      assert.equal(scenario.health().state, state);
      assert.equal(scenario.health().failures.total, state === 'starting' ? 0 : 1);
    });
});

test('a restart by the monitor gives the same grace, to the pid it had before too', () => {
  const scenario = startScenario();
  for (const at of [10_000, 10_250, 10_500]) scenario.check(at, HUNG);
  scenario.send({ kind: 'remedy_done', at: 11_000, remedy: 'force_restart', error: null });
  scenario.check(15_999, { heartbeat: 'unreachable' });
  assert.equal(scenario.health().failures.consecutive, 0);
  scenario.check(16_000, { heartbeat: 'unreachable' });
  assert.equal(scenario.health().failures.consecutive, 1);
});

describe('a crash is counted once', () => {
  const LIST = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
  const socket = (scenario: Scenario, at: number) => scenario.send({ kind: 'crash', at });
  const list = (scenario: Scenario, at: number, pid: number) => scenario.check(at, LIST, pid);
  const table: Readonly<Record<string, readonly [(scenario: Scenario) => void, crashes: number]>> = {
    'seen by its socket': [(scenario) => socket(scenario, 10_000), 1],
    "seen by PM2's list": [(scenario) => list(scenario, 10_000, 100), 1],
    'seen by both': [(scenario) => [socket(scenario, 10_000), list(scenario, 10_100, 100)], 1],
    'seen by the list twice, then by the socket': [
      (scenario) => [list(scenario, 10_000, 100), list(scenario, 10_100, 100), socket(scenario, 10_200)],
      1,
    ],
    'and the next process another time': [
      (scenario) => [socket(scenario, 10_000), scenario.check(10_500, {}, 200), socket(scenario, 10_900)],
      2,
    ],
  };
  for (const [name, [happen, crashes]] of Object.entries(table))
    test(name, () => {
      const scenario = startScenario();
      happen(scenario);
      assert.deepEqual(scenario.health().restarts, { crash: crashes, forced: 0 });
    });
});

test('a proxy that said goodbye may be gone for 5 s before it is missed', () => {
  const scenario = startScenario();
  scenario.send({ kind: 'goodbye', at: 10_000 });
  const gone = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
  assert.deepEqual(scenario.check(14_999, gone), []);
  assert.equal(scenario.health().state, 'starting');
  scenario.check(15_000, gone);
  assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crashed']);
});
