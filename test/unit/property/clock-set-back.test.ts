import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { detectMassFailure, isPausingRestarts, NO_MASS_FAILURE } from '../../../src/health/mass-failure.ts';
import { createHealth } from '../../../src/health/state.ts';
import { HUNG, remediesOf, type Scenario, startScenario } from '../../support/health/health-scenario.ts';

const HOUR_MS = 3_600_000;
const GONE = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
const remedyDone = (scenario: Scenario, at: number) =>
  scenario.send({ kind: 'remedy_done', at, remedy: 'force_restart', error: null });
const hang = (scenario: Scenario, fromAt: number, checks: number) =>
  Array.from({ length: checks }, (_, index) =>
    remediesOf(scenario.check(fromAt + index * 1_000, HUNG)),
  ).flat();

/** Everything happens one hour after the start, then the clock is set back by 50 minutes. */
describe('a clock that is set back does not delay', () => {
  test('the next remedy, after one that did not help', () => {
    const scenario = startScenario();
    assert.deepEqual(hang(scenario, HOUR_MS, 3), ['force_restart']);
    remedyDone(scenario, HOUR_MS + 2_000);
    assert.deepEqual(hang(scenario, 600_000, 3), ['force_restart']);
  });

  test('the attempt of an open breaker', () => {
    const scenario = startScenario({ maxRestarts: 1, restartCooldownMs: 60_000 });
    hang(scenario, HOUR_MS, 3);
    remedyDone(scenario, HOUR_MS + 2_000);
    assert.deepEqual(hang(scenario, HOUR_MS + 10_000, 3), [], 'it gave up');
    assert.deepEqual(hang(scenario, 600_000, 1), ['force_restart']);
  });

  test('restarts: those with a time in the future do not count against maxRestarts', () => {
    const scenario = startScenario({ maxRestarts: 1 });
    hang(scenario, HOUR_MS, 3);
    remedyDone(scenario, HOUR_MS + 2_000);
    for (const at of [HOUR_MS + 3_000, HOUR_MS + 4_000]) scenario.check(at);
    assert.deepEqual(hang(scenario, 600_000, 3), ['force_restart']);
  });

  test('the failures of a proxy that was starting', () => {
    const scenario = startScenario();
    scenario.check(HOUR_MS, {}, 200);
    scenario.send({ kind: 'shutdown_announced', at: HOUR_MS });
    scenario.check(600_000, GONE, 200);
    assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'crashed']);
  });

  test('the end of a crash loop', () => {
    const scenario = startScenario();
    for (let index = 0; index < 5; index += 1) {
      scenario.check(HOUR_MS + index * 5_000, {}, 201 + index);
      scenario.send({ kind: 'crash', at: HOUR_MS + index * 5_000 + 1_000 });
    }
    scenario.check(HOUR_MS + 21_000, {}, 206);
    assert.equal(scenario.health().cause, 'crash_loop');
    for (const at of [600_000, 630_000, 630_250]) scenario.check(at, {}, 206);
    assert.equal(scenario.health().state, 'up');
  });

  test('restarts after a mass failure', () => {
    const incident = {
      startedAt: HOUR_MS,
      lastFailedAt: HOUR_MS,
      pid: 1,
      upstream: null,
      causeFailures: 1,
      loggedCauses: [],
      actions: [],
      alerted: false,
      isProxyFault: true,
      recoveringSince: null,
    };
    const failing = { ...createHealth(0), cause: 'hung', incident: { ...incident, cause: 'hung' } } as const;
    const fleet = [failing, failing, failing];
    const before = detectMassFailure(NO_MASS_FAILURE, fleet, HOUR_MS);
    const after = detectMassFailure(before, fleet, 600_000);
    assert.deepEqual(
      [600_000, 660_000].map((at) => isPausingRestarts(detectMassFailure(after, fleet, at), at)),
      [true, false],
    );
  });
});
