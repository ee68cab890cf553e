import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import {
  HUNG,
  remediesOf,
  type Scenario,
  startScenario,
  UPSTREAM_DOWN,
} from '../../support/health/health-scenario.ts';

/** When a proxy that hangs from `fromAt` on is restarted, within `checks` checks that are 250 ms apart. */
const restartTimes = (scenario: Scenario, fromAt: number, checks: number, pid = 100): readonly number[] =>
  Array.from({ length: checks }, (_, index) => fromAt + index * 250).filter(
    (at) => remediesOf(scenario.check(at, HUNG, pid)).length > 0,
  );

test('after a restart the new process may fail as often before the next restart as the first one', () => {
  const scenario = startScenario();
  assert.deepEqual(restartTimes(scenario, 10_000, 3), [10_500]);
  scenario.send({ kind: 'remedy_done', at: 10_700, remedy: 'force_restart', error: null });
  assert.deepEqual(restartTimes(scenario, 20_000, 3, 200), [20_500]);
});

test('after a recovery a single failure restarts nothing, however many there were before', () => {
  const scenario = startScenario();
  restartTimes(scenario, 10_000, 50);
  for (const at of [30_000, 30_250]) scenario.check(at);
  assert.deepEqual(restartTimes(scenario, 31_000, 3), [31_500]);
});

test('one success in between is enough to forget the failures before', () => {
  const scenario = startScenario();
  restartTimes(scenario, 10_000, 2);
  scenario.check(10_500);
  assert.deepEqual(restartTimes(scenario, 10_750, 3), [11_250]);
});

describe('failures of an earlier process do not count towards a restart', () => {
  const situations: Readonly<Record<string, (scenario: Scenario) => void>> = {
    'a crash, and PM2 that is about to restart it': (scenario) => {
      scenario.send({ kind: 'crash', at: 10_000 });
      for (const at of [10_100, 10_350])
        scenario.check(at, { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' });
    },
    'failures of a process that somebody restarted': (scenario) => {
      for (const at of [10_000, 10_250]) scenario.check(at, HUNG);
      scenario.check(10_500, { pm2: 'launching', heartbeat: 'unreachable' }, 200);
    },
  };
  for (const [name, prepare] of Object.entries(situations))
    test(name, () => {
      const scenario = startScenario();
      prepare(scenario);
      assert.deepEqual(restartTimes(scenario, 11_000, 3, 200), [11_500]);
    });
});

describe("failures that are not the proxy's own fault do not count towards its restart", () => {
  const faults: readonly Partial<Evidence>[] = [
    UPSTREAM_DOWN,
    { upstream: 'silent' },
    { listening: 'in_use' },
  ];
  for (const fault of faults)
    test(JSON.stringify(fault), () => {
      const scenario = startScenario();
      for (let at = 10_000; at < 20_000; at += 1_000) scenario.check(at, fault);
      assert.deepEqual(restartTimes(scenario, 20_000, 3), [20_500]);
    });
});
