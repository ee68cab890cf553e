import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHealth, uptimeOf } from '../../../src/health/state.ts';
import {
  HUNG,
  NOT_THERE,
  type Scenario,
  startScenario,
  UPSTREAM_DOWN,
} from '../../support/health-scenario.ts';

/** An incident of 1 s. */
const incident = (scenario: Scenario, startedAt: number, seen = UPSTREAM_DOWN as object): void => {
  scenario.check(startedAt, seen);
  for (const at of [startedAt + 1_000, startedAt + 2_000]) scenario.check(at);
};

describe('an incident that is over', () => {
  test('goes into the history with its times, its last cause and its cures', () => {
    const scenario = startScenario();
    scenario.check(10_000, UPSTREAM_DOWN);
    for (const at of [11_000, 12_000, 13_000]) scenario.check(at, HUNG);
    scenario.send({ kind: 'remedy_done', at: 13_500, remedy: 'force_restart', error: 'PM2 is away' });
    scenario.check(15_000, HUNG);
    scenario.send({ kind: 'remedy_done', at: 15_500, remedy: 'force_restart', error: null });
    for (const at of [16_000, 17_000]) scenario.check(at, {}, 200);
    const { history, incident } = scenario.health();
    assert.deepEqual(history, [
      {
        ...{ startedAt: 10_000, endedAt: 16_000, cause: 'hung', actions: ['force_restart', 'force_restart'] },
        alerted: true,
        hasNewProcess: true,
      },
    ]);
    assert.equal(incident, null);
  });

  test('ends with a stop by the operator', () => {
    const scenario = startScenario();
    scenario.check(10_000, NOT_THERE, null);
    scenario.check(12_000, { pm2: 'stopped' }, null);
    assert.deepEqual(scenario.health().history, [
      {
        ...{ startedAt: 10_000, endedAt: 12_000, cause: 'crashed', actions: [] },
        alerted: false,
        hasNewProcess: false,
      },
    ]);
    scenario.check(13_000, { pm2: 'stopped' }, null);
    assert.equal(scenario.health().history.length, 1);
  });
});

test('one that goes on is not in the history', () => {
  const scenario = startScenario();
  scenario.check(10_000, UPSTREAM_DOWN);
  scenario.check(11_000, HUNG);
  assert.deepEqual(scenario.health().history, []);
  const { startedAt, cause, actions } = scenario.health().incident ?? {};
  assert.deepEqual([startedAt, cause, actions], [10_000, 'hung', []]);
});

test('the history has the last 20 incidents, the oldest first', () => {
  const scenario = startScenario();
  for (let at = 1; at <= 25; at += 1) incident(scenario, at * 10_000);
  const starts = scenario.health().history.map(({ startedAt }) => startedAt / 10_000);
  assert.deepEqual(
    starts,
    Array.from({ length: 20 }, (_, at) => at + 6),
  );
});

test('an incident keeps its last 20 cures', () => {
  const scenario = startScenario({ maxRestarts: 1_000 });
  scenario.check(10_000, NOT_THERE, null);
  for (let at = 11_000; at < 41_000; at += 1_000)
    scenario.send({ kind: 'remedy_done', at, remedy: at < 22_000 ? 'start' : 'force_restart', error: null });
  const cures = scenario.health().incident?.actions ?? [];
  assert.equal(cures.length, 20);
  assert.deepEqual([cures[0], cures[1]], ['start', 'force_restart']);
});

test("an incident that is the upstream's from end to end is no recovery of the proxy", () => {
  const scenario = startScenario();
  incident(scenario, 10_000);
  assert.equal(scenario.health().recovery.count, 0);
  incident(scenario, 20_000, HUNG);
  assert.equal(scenario.health().recovery.count, 1);
});

describe('the uptime is the part of the time without an incident', () => {
  test('of a proxy that was never down', () => assert.equal(uptimeOf(createHealth(0), 100_000), 1));

  test('at the first look, and with a clock that was set back', () => {
    for (const nowMs of [5_000, 1_000]) assert.equal(uptimeOf(createHealth(5_000), nowMs), 1);
  });

  test('with incidents that are over', () => {
    const scenario = startScenario();
    for (const at of [10_000, 20_000, 30_000]) incident(scenario, at);
    assert.equal(Math.round(uptimeOf(scenario.health(), 100_000) * 100), 97);
  });

  test('with one that goes on', () => {
    const scenario = startScenario();
    incident(scenario, 10_000);
    scenario.check(60_000, UPSTREAM_DOWN);
    assert.equal(Math.round(uptimeOf(scenario.health(), 100_000) * 100), 59);
  });

  test('of a proxy that has been down since its first look', () => {
    const health = { ...createHealth(0), downMs: 200_000 };
    assert.equal(uptimeOf(health, 100_000), 0);
  });
});
