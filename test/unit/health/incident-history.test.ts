import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHealth, uptimeOf } from '../../../src/health/state.ts';
import {
  HUNG,
  NOT_THERE,
  type Scenario,
  startScenario,
  UPSTREAM_DOWN,
} from '../../support/health/health-scenario.ts';

/** An incident of 1 s. */
const addIncident = (scenario: Scenario, startedAt: number, evidence = UPSTREAM_DOWN as object): void => {
  scenario.check(startedAt, evidence);
  for (const at of [startedAt + 1_000, startedAt + 2_000]) scenario.check(at);
};

describe('an incident that is over', () => {
  test('is kept in the history with its times, its last cause and its actions', () => {
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
        startedAt: 10_000,
        lastFailedAt: 15_000,
        endedAt: 16_000,
        upstream: 'localhost:6274',
        cause: 'hung',
        actions: ['force_restart', 'force_restart'],
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
        startedAt: 10_000,
        lastFailedAt: 10_000,
        endedAt: 12_000,
        upstream: 'localhost:6274',
        cause: 'crashed',
        actions: [],
        alerted: false,
        hasNewProcess: false,
      },
    ]);
    scenario.check(13_000, { pm2: 'stopped' }, null);
    assert.equal(scenario.health().history.length, 1);
  });
});

test('an incident that goes on is not in the history', () => {
  const scenario = startScenario();
  scenario.check(10_000, UPSTREAM_DOWN);
  scenario.check(11_000, HUNG);
  assert.deepEqual(scenario.health().history, []);
  const { startedAt, cause, actions } = scenario.health().incident ?? {};
  assert.deepEqual([startedAt, cause, actions], [10_000, 'hung', []]);
});

test('the history has the last 20 incidents, the oldest first', () => {
  const scenario = startScenario();
  for (let count = 1; count <= 25; count += 1) addIncident(scenario, count * 10_000);
  const starts = scenario.health().history.map(({ startedAt }) => startedAt / 10_000);
  assert.deepEqual(
    starts,
    Array.from({ length: 20 }, (_, index) => index + 6),
  );
});

test('an incident keeps its last 20 actions', () => {
  const scenario = startScenario({ maxRestarts: 1_000 });
  scenario.check(10_000, NOT_THERE, null);
  for (let at = 11_000; at < 41_000; at += 1_000)
    scenario.send({ kind: 'remedy_done', at, remedy: at < 22_000 ? 'start' : 'force_restart', error: null });
  const actions = scenario.health().incident?.actions ?? [];
  assert.equal(actions.length, 20);
  assert.deepEqual([actions[0], actions[1]], ['start', 'force_restart']);
});

test("an incident that is the upstream's fault from start to end is no recovery of the proxy", () => {
  const scenario = startScenario();
  addIncident(scenario, 10_000);
  assert.equal(scenario.health().recovery.count, 0);
  addIncident(scenario, 20_000, HUNG);
  assert.equal(scenario.health().recovery.count, 1);
});

describe('the uptime is the part of the time without an incident', () => {
  test('for a proxy that was never down', () => assert.equal(uptimeOf(createHealth(0), 100_000), 1));

  test('at the first check, and after the clock was set back', () => {
    for (const now of [5_000, 1_000]) assert.equal(uptimeOf(createHealth(5_000), now), 1);
  });

  test('with incidents that are over', () => {
    const scenario = startScenario();
    for (const at of [10_000, 20_000, 30_000]) addIncident(scenario, at);
    assert.equal(Math.round(uptimeOf(scenario.health(), 100_000) * 100), 97);
  });

  test('with an incident that goes on', () => {
    const scenario = startScenario();
    addIncident(scenario, 10_000);
    scenario.check(60_000, UPSTREAM_DOWN);
    assert.equal(Math.round(uptimeOf(scenario.health(), 100_000) * 100), 59);
  });

  test('for a proxy that has been down since its first check', () => {
    const health = { ...createHealth(0), downMs: 200_000 };
    assert.equal(uptimeOf(health, 100_000), 0);
  });
});
