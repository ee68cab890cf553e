import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { detectMassFailure, isPausingRestarts, NO_MASS_FAILURE } from '../../../src/health/mass-failure.ts';
import { createHealth } from '../../../src/health/state.ts';
import { HUNG, remediesOf, type Scenario, startScenario } from '../../support/health-scenario.ts';

const HOUR_MS = 3_600_000;
const GONE = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
const cured = (scenario: Scenario, at: number) =>
  scenario.send({ kind: 'remedy_done', at, remedy: 'force_restart', error: null });
const hung = (scenario: Scenario, fromMs: number, looks: number) =>
  Array.from({ length: looks }, (_, at) => remediesOf(scenario.check(fromMs + at * 1_000, HUNG))).flat();

/** Everything happens at one hour, then the clock is set back by 50 minutes. */
describe('a clock that is set back holds nothing up', () => {
  test('the next cure, after one that did not help', () => {
    const scenario = startScenario();
    assert.deepEqual(hung(scenario, HOUR_MS, 3), ['force_restart']);
    cured(scenario, HOUR_MS + 2_000);
    assert.deepEqual(hung(scenario, 600_000, 3), ['force_restart']);
  });

  test('the try of an open breaker', () => {
    const scenario = startScenario({ maxRestarts: 1, restartCooldownMs: 60_000 });
    hung(scenario, HOUR_MS, 3);
    cured(scenario, HOUR_MS + 2_000);
    assert.deepEqual(hung(scenario, HOUR_MS + 10_000, 3), [], 'it gave up');
    assert.deepEqual(hung(scenario, 600_000, 1), ['force_restart']);
  });

  test('the budget: what was spent in times to come is not within a window', () => {
    const scenario = startScenario({ maxRestarts: 1 });
    hung(scenario, HOUR_MS, 3);
    cured(scenario, HOUR_MS + 2_000);
    for (const at of [HOUR_MS + 3_000, HOUR_MS + 4_000]) scenario.check(at);
    assert.deepEqual(hung(scenario, 600_000, 3), ['force_restart']);
  });

  test('the failures of a proxy that was on its way', () => {
    const scenario = startScenario();
    scenario.check(HOUR_MS, {}, 200);
    scenario.send({ kind: 'goodbye', at: HOUR_MS });
    scenario.check(600_000, GONE, 200);
    assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crashed']);
  });

  test('the end of a crash loop', () => {
    const scenario = startScenario();
    for (let at = 0; at < 5; at += 1) {
      scenario.check(HOUR_MS + at * 5_000, {}, 201 + at);
      scenario.send({ kind: 'crash', at: HOUR_MS + at * 5_000 + 1_000 });
    }
    scenario.check(HOUR_MS + 21_000, {}, 206);
    assert.equal(scenario.health().cause, 'crash_loop');
    for (const at of [600_000, 630_000, 630_250]) scenario.check(at, {}, 206);
    assert.equal(scenario.health().state, 'up');
  });

  test('the release of the brake', () => {
    const incident = {
      startedAt: HOUR_MS,
      pid: 1,
      actions: [],
      alerted: false,
      isProxyFault: true,
      recoveringSince: null,
    };
    const bad = { ...createHealth(0), cause: 'hung', incident: { ...incident, cause: 'hung' } } as const;
    const fleet = [bad, bad, bad];
    const before = detectMassFailure(NO_MASS_FAILURE, fleet, HOUR_MS);
    const after = detectMassFailure(before, fleet, 600_000);
    assert.deepEqual(
      [600_000, 660_000].map((oneMs) => isPausingRestarts(detectMassFailure(after, fleet, oneMs), oneMs)),
      [true, false],
    );
  });
});
