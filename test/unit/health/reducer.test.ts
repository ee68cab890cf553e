import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  describeActions,
  HUNG,
  NOT_THERE,
  startScenario,
  UNKNOWN,
  UPSTREAM_DOWN,
  WELL,
} from '../../support/health/health-scenario.ts';

const NO_FAILURES = { consecutive: 0, sinceHealthy: 0, total: 0 };
const restarts = (actions: Parameters<typeof describeActions>[0]): readonly string[] =>
  describeActions(actions).filter((line) => line.startsWith('restart '));

test('a proxy that does not answer is degraded, and restarted by force at the threshold', () => {
  const scenario = startScenario();
  const done = [10_000, 10_250, 10_500].map((at) => restarts(scenario.check(at, HUNG)));
  assert.deepEqual(done, [[], [], ['restart force_restart hung']]);
  const { state, cause, failures } = scenario.health();
  assert.deepEqual([state, cause], ['down', 'hung']);
  assert.deepEqual(failures, { consecutive: 3, sinceHealthy: 3, total: 3 });
});

test('below the threshold it is degraded, not down', () => {
  const scenario = startScenario();
  scenario.check(10_000, HUNG);
  scenario.check(10_250, HUNG);
  assert.equal(scenario.health().state, 'degraded');
});

test('a proxy that PM2 does not list is started at failure #1', () => {
  const scenario = startScenario();
  assert.deepEqual(restarts(scenario.check(10_000, NOT_THERE, null)), ['restart start crashed']);
  assert.equal(scenario.health().state, 'down');
});

test('one success between failures resets the count of consecutive failures, and no other count', () => {
  const scenario = startScenario();
  const done = [HUNG, HUNG, {}, HUNG, HUNG].map((evidence, index) =>
    restarts(scenario.check(10_000 + index * 250, evidence)),
  );
  assert.deepEqual(done, [[], [], [], [], []]);
  assert.deepEqual(scenario.health().failures, { consecutive: 2, sinceHealthy: 4, total: 4 });
});

test('successThreshold successes end the incident, and fewer do not', () => {
  const scenario = startScenario({ successThreshold: 3 });
  scenario.check(10_000, HUNG);
  scenario.check(11_000);
  scenario.check(12_000);
  assert.deepEqual(scenario.health().failures, { consecutive: 0, sinceHealthy: 1, total: 1 });
  assert.equal(scenario.health().state, 'degraded');
  scenario.check(13_000);
  assert.deepEqual(scenario.health().failures, { consecutive: 0, sinceHealthy: 0, total: 1 });
  assert.equal(scenario.health().state, 'up');
});

test('a restart resets the consecutive failures, not those since it was last healthy', () => {
  const scenario = startScenario();
  for (const at of [10_000, 10_250, 10_500]) scenario.check(at, HUNG);
  scenario.send({ kind: 'remedy_done', at: 10_700, remedy: 'force_restart', error: null });
  assert.deepEqual(scenario.health().failures, { consecutive: 0, sinceHealthy: 3, total: 3 });
  assert.deepEqual(scenario.health().restarts, { crash: 0, forced: 1 });
});

test('to start a proxy that was not running is no forced restart', () => {
  const scenario = startScenario();
  scenario.check(10_000, NOT_THERE, null);
  scenario.send({ kind: 'remedy_done', at: 10_100, remedy: 'start', error: null });
  assert.equal(scenario.health().restarts.forced, 0);
});

test('an upstream that is down never restarts the proxy, however long', () => {
  const scenario = startScenario();
  const done = Array.from({ length: 200 }, (_, index) =>
    restarts(scenario.check(10_000 + index * 1_000, UPSTREAM_DOWN)),
  );
  assert.deepEqual(done.flat(), []);
  assert.deepEqual([scenario.health().state, scenario.health().cause], ['down', 'upstream_down']);
});

test('an address that another process holds is an incident with an alert, and the port that serves is not down', () => {
  const scenario = startScenario();
  const lines = [10_000, 10_250, 10_500, 11_000, 12_000].flatMap((at) =>
    describeActions(scenario.check(at, { listening: 'some' })),
  );
  assert.equal(lines.filter((line) => line.includes('ALERT')).length, 1);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('restart ')),
    [],
  );
  const { state, cause, incident, breaker } = scenario.health();
  assert.deepEqual([state, cause, incident?.alerted], ['degraded', 'port_in_use', true]);
  assert.deepEqual(breaker.restartedAt, []);
  scenario.check(13_000, { listening: 'in_use' });
  assert.equal(scenario.health().state, 'down');
  scenario.check(14_000, { listening: 'some' });
  assert.equal(scenario.health().state, 'degraded');
  for (const at of [15_000, 16_000]) scenario.check(at);
  assert.deepEqual([scenario.health().state, scenario.health().incident], ['up', null]);
});

test('an optional proxy waits for its upstream without counting anything', () => {
  const scenario = startScenario({ optional: true });
  const done = [10_000, 11_000, 12_000, 13_000].flatMap((at) => scenario.check(at, UPSTREAM_DOWN));
  assert.deepEqual(done, []);
  const { state, cause, failures, incident } = scenario.health();
  assert.deepEqual([state, cause, incident], ['waiting', 'upstream_down', null]);
  assert.deepEqual(failures, NO_FAILURES);
});

test('a proxy that the operator stopped is left alone, and its incident is over', () => {
  const scenario = startScenario();
  for (const at of [10_000, 10_250]) scenario.check(at, HUNG);
  const done = [11_000, 12_000].flatMap((at) =>
    scenario.check(at, { pm2: 'stopped', process: 'gone', heartbeat: 'unreachable' }, null),
  );
  assert.deepEqual(done, []);
  const { state, cause, failures, incident } = scenario.health();
  assert.deepEqual([state, cause, incident], ['stopped', null, null]);
  assert.deepEqual(failures, { ...NO_FAILURES, total: 2 });
});

test('a check that found nothing out changes nothing, in the middle of an incident too', () => {
  const scenario = startScenario();
  scenario.check(10_000, HUNG);
  const before = scenario.health();
  assert.deepEqual(scenario.check(10_250, UNKNOWN), []);
  assert.equal(scenario.health(), before);
});

test('a check with nothing new gives the very same health, so that nothing is written', () => {
  for (const evidence of [WELL, { pm2: 'stopped' }, { listening: 'not_needed' }, UPSTREAM_DOWN] as const) {
    const scenario = startScenario({ optional: true });
    for (const at of [10_000, 11_000]) scenario.check(at, evidence);
    const before = scenario.health();
    scenario.check(12_000, evidence);
    assert.equal(scenario.health(), before, JSON.stringify(evidence));
  }
});

test('a state counts from its beginning, even when its cause changes', () => {
  const scenario = startScenario();
  for (const at of [10_000, 11_000, 12_000]) scenario.check(at, UPSTREAM_DOWN);
  scenario.check(13_000, HUNG);
  const { state, cause, since } = scenario.health();
  assert.deepEqual([state, cause, since], ['down', 'hung', 12_000]);
});
