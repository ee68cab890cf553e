import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { alertsFor } from '../../../../src/alerting/policy/active-alerts.ts';
import { incident, past, startAlertScenario } from '../../../support/alerting/alert-scenario.ts';

const PATIENT = { afterMs: 60_000, ownFaultAfterMs: 15_000 };
const GIVEN_UP = { restartedAt: [], attempts: 9, nextRestartAt: 0, openCount: 1, untriedCount: 0 };

describe('an outage', () => {
  test('that ends within the patience is announced neither then nor later', () => {
    const alerts = startAlertScenario([6274], PATIENT);
    alerts.fall();
    alerts.until(59_000);
    alerts.rise();
    assert.deepEqual(alerts.until(3_600_000), []);
  });

  test('of an application is announced after a minute, of the proxy or its port after 15 s', () => {
    const alerts = startAlertScenario([1, 2, 3], { ...PATIENT, groupWaitMs: 0 });
    alerts.fall(1, 'upstream_unhealthy');
    alerts.fall(2, 'hung');
    alerts.fall(3, 'port_in_use');
    assert.deepEqual(alerts.until(14_000), []);
    assert.deepEqual(alerts.until(15_000), ['down 2 + down 3']);
    assert.deepEqual(alerts.until(59_000), []);
    assert.deepEqual(alerts.until(60_000), ['down 1']);
  });

  test('of the own kind is announced no later than others', () => {
    const alerts = startAlertScenario([1], { ...PATIENT, afterMs: 5_000, groupWaitMs: 0 });
    alerts.fall(1, 'hung');
    assert.deepEqual(alerts.until(5_000), ['down 1']);
  });

  test('that was given up is announced at once', () => {
    const alerts = startAlertScenario([6274], { ...PATIENT, groupWaitMs: 0 });
    alerts.fall(6274, 'hung');
    alerts.set({ breaker: GIVEN_UP });
    assert.deepEqual(alerts.until(0), ['gave_up 6274']);
    assert.deepEqual(alerts.until(60_000), []);
  });

  test('that is long and over before anybody looked is one notification', () => {
    const alerts = startAlertScenario([6274], PATIENT);
    alerts.set({ history: [past(0, 59_999), past(100_000, 160_000)] });
    assert.deepEqual(alerts.until(10_000), ['recovered 6274']);
  });

  test('of a proxy with a time of its own is announced after that', () => {
    const alerts = startAlertScenario([1, 2], { ...PATIENT, groupWaitMs: 0 });
    alerts.set({}, 1, { afterMs: 300_000 });
    alerts.set({}, 2, { afterMs: 0 });
    alerts.fall(1);
    alerts.fall(2);
    assert.deepEqual(alerts.until(0), ['down 2']);
    assert.deepEqual(alerts.until(299_000), []);
    assert.deepEqual(alerts.until(300_000), ['down 1']);
  });

  test('is an alert for Alertmanager when it is announced, from its beginning', () => {
    const alerts = startAlertScenario([6274], { ...PATIENT, stateChannels: ['am'] });
    alerts.fall();
    alerts.until(59_000);
    assert.deepEqual(alertsFor(alerts.state, 'am'), []);
    alerts.until(70_000);
    assert.deepEqual(
      alertsFor(alerts.state, 'am').map(({ startsAt }) => startsAt),
      [0],
    );
  });

  test('that began before the clock was set back is announced', () => {
    const alerts = startAlertScenario([6274], { ...PATIENT, groupWaitMs: 0 });
    alerts.set({ incident: incident(3_600_000) });
    assert.deepEqual(alerts.until(0), ['down 6274']);
  });
});

describe('short outages', () => {
  test('of an application are no flapping', () => {
    const alerts = startAlertScenario([6274], PATIENT);
    for (let count = 0; count < 20; count += 1) {
      alerts.fall();
      alerts.until(alerts.now() + 2_000);
      alerts.rise();
      assert.deepEqual(alerts.until(alerts.now() + 5_000), []);
    }
  });

  test('of a proxy that is restarted again and again are', () => {
    const alerts = startAlertScenario([6274], PATIENT);
    const announced: string[] = [];
    for (let count = 0; count < 6; count += 1) {
      alerts.restart();
      announced.push(...alerts.until(alerts.now() + 60_000));
    }
    assert.deepEqual(announced, ['flapping 6274']);
  });
});

describe('a channel with a least age of its own', () => {
  const pager = { ...PATIENT, minAgeMs: 600_000, groupWaitMs: 0 };

  test('hears of no outage that is younger, given up or not', () => {
    const alerts = startAlertScenario([1, 2], pager);
    alerts.fall(1);
    alerts.fall(2, 'hung');
    alerts.set({ breaker: GIVEN_UP }, 2);
    assert.deepEqual(alerts.until(599_000), []);
    assert.deepEqual(alerts.until(600_000), ['down 1 + gave_up 2']);
  });

  test('does not hear of the end of what it has not heard of', () => {
    const alerts = startAlertScenario([6274], pager);
    alerts.fall();
    alerts.until(599_000);
    alerts.rise();
    assert.deepEqual(alerts.until(1_200_000), []);
  });
});

describe('a channel with a least severity', () => {
  test('hears of outages and their ends, of no warnings, and not that a port comes and goes', () => {
    const alerts = startAlertScenario([6274], { minSeverity: 'critical', stateChannels: ['am'] });
    alerts.set({ warnings: ['cpu_limit'] });
    alerts.restart();
    assert.deepEqual(alerts.until(10_000), []);
    const announced: string[] = [];
    for (let count = 0; count < 8; count += 1) {
      alerts.fall();
      announced.push(...alerts.until(alerts.now() + 10_000));
      alerts.rise();
      announced.push(...alerts.until(alerts.now() + 10_000));
    }
    // The restart is the first of the four failures before it counts as flapping.
    assert.deepEqual(announced, Array(3).fill(['down 6274', 'recovered 6274']).flat());
    assert.notEqual(alerts.state.proxies['tcp-proxy-6274']?.flapping, null);
    assert.deepEqual(
      alertsFor(alerts.state, 'am', 'critical').map(({ notification }) => notification.kind),
      ['down', 'down', 'down'],
    );
  });
});
