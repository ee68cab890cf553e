import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeActions, remediesOf, type Scenario, startScenario } from '../../support/health-scenario.ts';

const GONE = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;

/** Comes up as `pid`, is well for `livesMs` (two looks of it), and dies; its death is seen by its socket or by PM2. */
const life = (scenario: Scenario, at: number, pid: number, livesMs: number, seenBy: 'socket' | 'list') => [
  ...scenario.check(at, {}, pid),
  ...scenario.check(at + livesMs, {}, pid),
  ...(seenBy === 'socket' ? scenario.send({ kind: 'crash', at: at + livesMs }) : []),
  ...scenario.check(at + livesMs, GONE, pid),
];

/** So many lives of 1 s, one each `everyMs` from 10 s on; the pids are 201, 202 … */
const crashes = (
  scenario: Scenario,
  count: number,
  { seenBy = 'socket' as 'socket' | 'list', everyMs = 5_000 } = {},
) =>
  Array.from({ length: count }, (_, at) =>
    life(scenario, 10_000 + at * everyMs, 201 + at, 1_000, seenBy),
  ).flat();

describe('a proxy that crashes five times within two minutes is in a crash loop', () => {
  for (const seenBy of ['socket', 'list'] as const) {
    test(`four are none yet, seen by the ${seenBy}`, () => {
      const scenario = startScenario();
      crashes(scenario, 4, { seenBy });
      assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crashed']);
      assert.equal(scenario.health().restarts.crash, 4);
    });

    test(`five are, though it is up again, seen by the ${seenBy}`, () => {
      const scenario = startScenario();
      crashes(scenario, 5, { seenBy });
      scenario.check(31_500, {}, 206);
      assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crash_loop']);
    });
  }

  test('five within more than two minutes are not', () => {
    const scenario = startScenario();
    crashes(scenario, 5, { everyMs: 30_001 });
    scenario.check(132_000, {}, 206);
    scenario.check(132_250, {}, 206);
    assert.equal(scenario.health().state, 'up');
  });
});

test('a crash loop has no cure', () => {
  const scenario = startScenario();
  const done = [...crashes(scenario, 9), ...scenario.check(56_000, { ...GONE, pm2: 'online' }, 209)];
  assert.deepEqual(remediesOf(done), []);
});

test('what PM2 gave up is brought back, in a crash loop too', () => {
  const scenario = startScenario();
  crashes(scenario, 6);
  assert.deepEqual(remediesOf(scenario.check(36_500, { ...GONE, pm2: 'gave_up' }, 206)), ['start']);
});

test('a crash loop is one incident with one alert, however often it comes up for a moment', () => {
  const scenario = startScenario();
  const lines = describeActions(crashes(scenario, 20));
  const alerts = lines.filter((line) => line.includes('ALERT'));
  assert.deepEqual(alerts, [
    '🚨 ALERT: Proxy for port 6274 crashes again and again: 3 failures since it was last healthy',
  ]);
  const loop = lines.slice(lines.indexOf(alerts[0] ?? ''));
  assert.deepEqual(
    loop.filter((line) => line.startsWith('✅')),
    [],
  );
  assert.equal(scenario.health().history.length, 4, 'the crashes before it was a loop');
});

test('one that never comes up at all has one alert, too', () => {
  const scenario = startScenario();
  const lines = Array.from({ length: 20 }, (_, at) => [
    ...scenario.check(10_000 + at * 5_000, { pm2: 'launching', heartbeat: 'unreachable' }, 201 + at),
    ...scenario.send({ kind: 'crash', at: 11_000 + at * 5_000 }),
    ...scenario.check(11_100 + at * 5_000, GONE, 201 + at),
  ]);
  const alerts = describeActions(lines.flat()).filter((line) => line.includes('ALERT'));
  assert.equal(alerts.length, 1);
  assert.equal(scenario.health().cause, 'crash_loop');
  assert.deepEqual(scenario.health().history, []);
});

test('it is over when a process has lived for 30 s, and not before', () => {
  const scenario = startScenario();
  crashes(scenario, 6);
  const states = [40_000, 69_000, 69_999, 70_000, 70_250].map((at) => {
    scenario.check(at, {}, 300);
    return scenario.health().state;
  });
  assert.deepEqual(states, ['down', 'down', 'down', 'down', 'up']);
  const past = scenario.health().history.at(-1);
  assert.deepEqual([past?.cause, past?.endedAt, past?.actions], ['crash_loop', 70_000, []]);
});

describe('in a crash loop, too, a crash is counted once, and a process that lives not at all', () => {
  for (const seenBy of ['socket', 'list'] as const)
    test(`seen by the ${seenBy}`, () => {
      const scenario = startScenario();
      crashes(scenario, 7, { seenBy });
      assert.equal(scenario.health().restarts.crash, 7);
      scenario.check(50_000, {}, 300);
      assert.equal(scenario.health().restarts.crash, 7, 'it lives');
      for (const at of [80_000, 80_250]) scenario.check(at, {}, 300);
      assert.equal(scenario.health().state, 'up');
      life(scenario, 4_000_000, 300, 1_000, seenBy);
      assert.equal(scenario.health().restarts.crash, 8, 'its crash, much later');
    });
});
