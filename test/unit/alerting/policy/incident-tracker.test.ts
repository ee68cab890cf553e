import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHealth } from '../../../../src/health/state.ts';
import {
  type AlertScenario,
  incident,
  past,
  startAlertScenario,
} from '../../../support/alerting/alert-scenario.ts';
import { startScenario, UPSTREAM_DOWN } from '../../../support/health/health-scenario.ts';

const HOUR_MS = 3_600_000;
const PATIENT = { afterMs: 15_000, groupWaitMs: 0 };
/** A monitor that has just begun. */
const UNCHECKED = { isChecked: false, hasFailed: false };
const CHECKED = { isChecked: true, hasFailed: false };
const FAILED = { isChecked: true, hasFailed: true };

/** The port has an announced outage, and the next monitor has no record of it. */
const loseRecord = (): AlertScenario => {
  const alerts = startAlertScenario();
  alerts.fall();
  assert.deepEqual(alerts.until(20_000), ['down 6274']);
  alerts.set({ ...createHealth(20_000), cause: null }, 6274, UNCHECKED);
  assert.deepEqual(alerts.until(30_000), []);
  return alerts;
};

describe('an announced outage whose record was lost', () => {
  test('goes on until a check is good, and is one outage', () => {
    const alerts = loseRecord();
    alerts.set({}, 6274, CHECKED);
    assert.deepEqual(alerts.until(40_000), [], 'while the proxy starts');
    alerts.set({}, 6274, FAILED);
    alerts.fall();
    assert.deepEqual(alerts.until(60_000), []);
    alerts.rise();
    assert.deepEqual(alerts.until(HOUR_MS), ['recovered 6274']);
    const end = alerts.messages.at(-1)?.notifications[0];
    assert.deepEqual([end?.startedAt, end?.endedAt], [0, 60_000]);
    assert.match(end?.summary ?? '', /healthy again after 60\.0 s$/);
  });

  test('is over when the first check is good', () => {
    const alerts = loseRecord();
    alerts.set({ state: 'up' }, 6274, CHECKED);
    assert.deepEqual(alerts.until(HOUR_MS), ['recovered 6274']);
  });

  test('is over when the operator has stopped the proxy', () => {
    const alerts = loseRecord();
    alerts.set({ state: 'stopped' }, 6274, CHECKED);
    assert.deepEqual(alerts.until(HOUR_MS), ['recovered 6274']);
  });

  test('goes on when only the incident was lost', () => {
    const alerts = startAlertScenario([]);
    alerts.set({ history: [past(-HOUR_MS, -HOUR_MS + 60_000)] });
    alerts.fall();
    assert.deepEqual(alerts.until(20_000), ['down 6274']);
    alerts.set({ incident: null });
    assert.deepEqual(alerts.until(30_000), []);
    alerts.fall();
    alerts.until(40_000);
    alerts.rise();
    assert.deepEqual(alerts.until(HOUR_MS), ['recovered 6274']);
  });

  test('is not ended by the loss where it comes and goes', () => {
    const alerts = startAlertScenario();
    for (let count = 0; count < 6; count += 1) {
      alerts.restart();
      alerts.until(alerts.now() + 10_000);
    }
    assert.equal(alerts.messages.at(-1)?.notifications[0]?.kind, 'flapping');
    alerts.set(createHealth(alerts.now()));
    assert.deepEqual(alerts.until(alerts.now() + 300_000), []);
    assert.deepEqual(alerts.until(alerts.now() + 600_000), ['steady 6274']);
  });
});

describe('before the first check of a monitor', () => {
  test('nothing begins and nothing ends, whatever it remembers', () => {
    const alerts = startAlertScenario([1, 2, 3]);
    alerts.fall(1);
    assert.deepEqual(alerts.until(10_000), ['down 1']);
    const before = alerts.state;
    for (const port of [1, 2, 3]) alerts.set({}, port, UNCHECKED);
    alerts.rise(1);
    alerts.fall(2);
    alerts.set({ warnings: ['cpu_limit'] }, 3);
    assert.deepEqual(alerts.until(HOUR_MS * 5), []);
    assert.equal(alerts.state, before);
  });

  test('a port that was never announced stays so', () => {
    const alerts = startAlertScenario([]);
    alerts.set({ incident: incident(0) }, 6274, UNCHECKED);
    alerts.until(10_000);
    assert.deepEqual(alerts.state.proxies, {});
    alerts.set({}, 6274, FAILED);
    assert.deepEqual(alerts.until(20_000), ['down 6274']);
  });
});

describe('an outage in which no monitor ran for a time', () => {
  /** The upstream is down from 10 s on, which a monitor sees until `stoppedMs`. */
  const stopIn = (stoppedMs: number) => {
    const port = startScenario();
    const alerts = startAlertScenario([6274], PATIENT);
    const check = (atMs: number, evidence: object = {}): readonly string[] => {
      port.check(atMs, evidence);
      alerts.set(port.health());
      return alerts.until(atMs);
    };
    for (let at = 10_000; at <= stoppedMs; at += 1_000) assert.deepEqual(check(at, UPSTREAM_DOWN), []);
    alerts.set({}, 6274, UNCHECKED);
    alerts.until(60_000);
    return { alerts, check };
  };

  test('is no news when the next one finds the port well', () => {
    const { alerts, check } = stopIn(14_000);
    alerts.set({}, 6274, CHECKED);
    assert.deepEqual(
      [60_000, 61_000, 62_000].flatMap((at) => check(at)),
      [],
    );
    assert.deepEqual(alerts.until(HOUR_MS), []);
  });

  test('is announced by the first check that fails', () => {
    const { alerts, check } = stopIn(14_000);
    alerts.set({}, 6274, FAILED);
    assert.deepEqual(check(60_000, UPSTREAM_DOWN), ['down 6274']);
  });

  test('lasts as long as checks have seen it, not as long as it takes to recover', () => {
    const port = startScenario();
    const alerts = startAlertScenario([6274], PATIENT);
    for (const at of [10_000, 17_000, 24_000]) port.check(at, UPSTREAM_DOWN);
    port.check(24_900);
    alerts.set(port.health());
    assert.deepEqual(alerts.until(30_000), []);
  });

  test('is announced as one that is over, when it was long before', () => {
    const alerts = startAlertScenario([6274], PATIENT);
    alerts.set({ incident: incident(0, { lastFailedAt: 16_000 }) }, 6274, CHECKED);
    assert.deepEqual(alerts.until(60_000), [], 'this monitor has not seen it');
    alerts.set({ incident: null, history: [past(0, 60_000, { lastFailedAt: 16_000 })] });
    assert.deepEqual(alerts.until(61_000), ['recovered 6274']);
  });
});
