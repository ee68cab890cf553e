import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  describeActions,
  remediesOf,
  type Scenario,
  startScenario,
} from '../../support/health/health-scenario.ts';

const GONE = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;

/** A process starts, is well for `uptimeMs` (two checks), and crashes. Its control socket or PM2's list reports that. */
const runAndCrash = (
  scenario: Scenario,
  at: number,
  pid: number,
  uptimeMs: number,
  reportedBy: 'socket' | 'list',
) => [
  ...scenario.check(at, {}, pid),
  ...scenario.check(at + uptimeMs, {}, pid),
  ...(reportedBy === 'socket' ? scenario.send({ kind: 'crash', at: at + uptimeMs }) : []),
  ...scenario.check(at + uptimeMs, GONE, pid),
];

/** `count` processes that run for 1 s each; one starts every `everyMs` from 10 s on; the pids are 201, 202 … */
const crashes = (
  scenario: Scenario,
  count: number,
  { reportedBy = 'socket' as 'socket' | 'list', everyMs = 5_000 } = {},
) =>
  Array.from({ length: count }, (_, index) =>
    runAndCrash(scenario, 10_000 + index * everyMs, 201 + index, 1_000, reportedBy),
  ).flat();

describe('a proxy that crashes five times within two minutes is in a crash loop', () => {
  for (const reportedBy of ['socket', 'list'] as const) {
    test(`four crashes are none yet, reported by the ${reportedBy}`, () => {
      const scenario = startScenario();
      crashes(scenario, 4, { reportedBy });
      assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crashed']);
      assert.equal(scenario.health().restarts.crash, 4);
    });

    test(`five are one, although it is up again, reported by the ${reportedBy}`, () => {
      const scenario = startScenario();
      crashes(scenario, 5, { reportedBy });
      scenario.check(31_400, { heartbeat: 'unreachable' }, 206);
      assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crash_loop']);
      scenario.check(31_500, {}, 206);
      assert.deepEqual([scenario.health().state, scenario.health().cause], ['degraded', 'crash_loop']);
    });
  }

  test('five within more than two minutes are none', () => {
    const scenario = startScenario();
    crashes(scenario, 5, { everyMs: 30_001 });
    scenario.check(132_000, {}, 206);
    scenario.check(132_250, {}, 206);
    assert.equal(scenario.health().state, 'up');
  });
});

test('a crash loop has no remedy', () => {
  const scenario = startScenario();
  const actions = [...crashes(scenario, 9), ...scenario.check(56_000, { ...GONE, pm2: 'online' }, 209)];
  assert.deepEqual(remediesOf(actions), []);
});

test('a process that PM2 gave up is started, in a crash loop too', () => {
  const scenario = startScenario();
  crashes(scenario, 6);
  assert.deepEqual(remediesOf(scenario.check(36_500, { ...GONE, pm2: 'gave_up' }, 206)), ['start']);
});

test('a crash loop is one incident with one alert, however often the process runs for a moment', () => {
  const scenario = startScenario();
  const lines = describeActions(crashes(scenario, 20));
  const alerts = lines.filter((line) => line.includes('ALERT'));
  assert.deepEqual(alerts, [
    '🚨 ALERT: Proxy for port 6274 crashes again and again: 3 failures since it was last healthy',
  ]);
  const linesInLoop = lines.slice(lines.indexOf(alerts[0] ?? ''));
  assert.deepEqual(
    linesInLoop.filter((line) => line.startsWith('✅')),
    [],
  );
  assert.equal(scenario.health().history.length, 4, 'the crashes before the loop');
});

test('a process that never becomes ready has one alert, too', () => {
  const scenario = startScenario();
  const actions = Array.from({ length: 20 }, (_, index) => [
    ...scenario.check(10_000 + index * 5_000, { pm2: 'launching', heartbeat: 'unreachable' }, 201 + index),
    ...scenario.send({ kind: 'crash', at: 11_000 + index * 5_000 }),
    ...scenario.check(11_100 + index * 5_000, GONE, 201 + index),
  ]);
  const alerts = describeActions(actions.flat()).filter((line) => line.includes('ALERT'));
  assert.equal(alerts.length, 1);
  assert.equal(scenario.health().cause, 'crash_loop');
  assert.deepEqual(scenario.health().history, []);
});

test('a crash loop is over when a process has run for 30 s, and not before', () => {
  const scenario = startScenario();
  crashes(scenario, 6);
  const states = [40_000, 69_000, 69_999, 70_000, 70_250].map((at) => {
    scenario.check(at, {}, 300);
    return scenario.health().state;
  });
  assert.deepEqual(states, ['degraded', 'degraded', 'degraded', 'degraded', 'up']);
  const pastIncident = scenario.health().history.at(-1);
  assert.deepEqual(
    [pastIncident?.cause, pastIncident?.endedAt, pastIncident?.actions],
    ['crash_loop', 70_000, []],
  );
});

describe('a crash loop that is over leaves nothing behind: the next process is up', () => {
  const ends: Readonly<Record<string, (scenario: Scenario) => void>> = {
    'a process has run for 30 s, and the machine was restarted': (scenario) =>
      [32_000, 62_000, 62_250].map((at) => scenario.check(at, {}, 300)),
    'a process has run for 30 s, though its upstream was away': (scenario) =>
      [32_000, 62_000].map((at) => scenario.check(at, { upstream: 'refused' }, 300)),
    'the process was told to end': (scenario) => {
      scenario.check(32_000, {}, 300);
      scenario.send({ kind: 'shutdown_announced', at: 33_000 });
    },
    'the operator asked the monitor for a restart': (scenario) =>
      scenario.send({ kind: 'restart_requested', at: 33_000 }),
    'it was stopped': (scenario) => scenario.check(33_000, { pm2: 'stopped', process: 'gone' }, null),
  };
  for (const [name, end] of Object.entries(ends))
    test(`when ${name}`, () => {
      const scenario = startScenario();
      crashes(scenario, 5);
      assert.equal(scenario.check(31_200, {}, 206) && scenario.health().cause, 'crash_loop');
      end(scenario);
      const lines = [64_000, 64_250].flatMap((at) => describeActions(scenario.check(at, {}, 400)));
      assert.deepEqual(
        lines.filter((line) => !line.startsWith('✅')),
        [],
      );
      assert.deepEqual([scenario.health().state, scenario.health().crashedAt], ['up', []]);
    });

  test('and four crashes before a process that ran for 30 s do not count with those after it', () => {
    const scenario = startScenario();
    crashes(scenario, 4);
    for (const at of [30_000, 60_000]) scenario.check(at, {}, 300);
    runAndCrash(scenario, 61_000, 301, 1_000, 'socket');
    assert.equal(scenario.health().cause, 'crashed');
  });
});

describe('in a crash loop, too, a crash is counted once, and a running process not at all', () => {
  for (const reportedBy of ['socket', 'list'] as const)
    test(`reported by the ${reportedBy}`, () => {
      const scenario = startScenario();
      crashes(scenario, 7, { reportedBy });
      assert.equal(scenario.health().restarts.crash, 7);
      scenario.check(50_000, {}, 300);
      assert.equal(scenario.health().restarts.crash, 7, 'it is running');
      for (const at of [80_000, 80_250]) scenario.check(at, {}, 300);
      assert.equal(scenario.health().state, 'up');
      runAndCrash(scenario, 4_000_000, 300, 1_000, reportedBy);
      assert.equal(scenario.health().restarts.crash, 8, 'its crash, much later');
    });
});
