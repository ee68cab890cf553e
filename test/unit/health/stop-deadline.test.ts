import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type StopProgress, stoppingOf, trackStop } from '../../../src/health/stop-deadline.ts';
import type { Evidence } from '../../../src/health/types.ts';
import { describeActions, remediesOf, startScenario } from '../../support/health-scenario.ts';

type Seen = Partial<Pick<Evidence, 'pm2' | 'process' | 'heartbeat'>> & { at: number; pid?: number };

/** What is made of the last one of several looks. */
const after = (...looks: readonly Seen[]): Evidence['stopping'] => {
  let leave: StopProgress | null = null;
  let said: Evidence['stopping'] = 'no';
  for (const look of looks) {
    const seen = { pm2: 'stopping', process: 'alive', heartbeat: 'ok', pid: 100, ...look } as const;
    leave = trackStop(leave, seen);
    said = stoppingOf(leave, seen);
  }
  return said;
};

describe('a process that PM2 is stopping', () => {
  test('and that answers has the time that a proxy takes to leave', () => {
    assert.equal(after({ at: 0 }), 'in_time');
    assert.equal(after({ at: 0 }, { at: 2_000 }), 'in_time');
    assert.equal(after({ at: 0 }, { at: 2_001 }), 'overdue');
  });

  test('and that is stopped by a signal will not leave by itself', () => {
    assert.equal(after({ at: 0, process: 'stopped', heartbeat: 'unknown' }), 'overdue');
  });

  test('may be silent once', () => {
    const silent = { heartbeat: 'silent' } as const;
    assert.equal(after({ at: 0, ...silent }), 'in_time');
    assert.equal(after({ at: 0, ...silent }, { at: 250 }), 'in_time');
    assert.equal(after({ at: 0, ...silent }, { at: 250, ...silent }), 'overdue');
  });

  test('is no longer asked once its control socket is closed, and has its time', () => {
    const closed = { heartbeat: 'unreachable' } as const;
    assert.equal(after({ at: 0, ...closed }, { at: 250, ...closed }, { at: 500, ...closed }), 'in_time');
  });

  test('is another one when it has another pid', () => {
    assert.equal(after({ at: 0 }, { at: 1_900, pid: 200 }, { at: 2_100, pid: 200 }), 'in_time');
  });
});

test('what PM2 does not stop is not to leave, however long it is silent', () => {
  const hung = { pm2: 'online', process: 'stopped', heartbeat: 'silent' } as const;
  assert.equal(after({ at: 0, ...hung }, { at: 250, ...hung }, { at: 9_000, ...hung }), 'no');
  assert.equal(after({ at: 0 }, { at: 100, pm2: 'online' }, { at: 5_000 }), 'in_time');
});

describe('what PM2 is stopping and what does not leave', () => {
  const OVERDUE = { pm2: 'stopping', stopping: 'overdue', process: 'stopped', heartbeat: 'unknown' } as const;

  test('is killed once, and told', () => {
    const scenario = startScenario();
    assert.deepEqual(describeActions(scenario.check(10_000, OVERDUE)), [
      'Killing the proxy for port 6274 (PID: 100): PM2 is stopping it, and it does not leave',
      'restart kill null',
    ]);
    assert.deepEqual(scenario.check(10_250, OVERDUE), []);
    assert.deepEqual(remediesOf(scenario.check(11_000, OVERDUE, 200)), ['kill']);
  });

  test('is stopped, which is no failure, no restart and nothing of the budget', () => {
    const scenario = startScenario({ maxRestarts: 0 });
    const before = scenario.health();
    scenario.check(10_000, OVERDUE);
    assert.deepEqual(scenario.send({ kind: 'remedy_done', at: 10_020, remedy: 'kill', error: null }), []);
    const { state, failures, restarts, breaker, incident } = scenario.health();
    assert.deepEqual([state, incident], ['stopped', null]);
    assert.deepEqual([failures, restarts, breaker], [before.failures, before.restarts, before.breaker]);
    scenario.check(10_250, { pm2: 'stopped', process: 'unknown', heartbeat: 'unknown' }, null);
    assert.deepEqual([scenario.health().state, scenario.health().restarts], ['stopped', before.restarts]);
  });

  test('has not crashed, though PM2 shows it as given up for a moment', () => {
    const scenario = startScenario();
    scenario.check(10_000, OVERDUE);
    const gone = { pm2: 'gave_up', process: 'unknown', heartbeat: 'unknown' } as const;
    assert.deepEqual(scenario.check(10_250, gone, null), []);
    assert.equal(scenario.health().restarts.crash, 0);
    scenario.check(10_500, { ...gone, pm2: 'stopped' }, null);
    assert.deepEqual([scenario.health().state, scenario.health().failures.total], ['stopped', 0]);
  });

  test('is told when it cannot be killed', () => {
    const scenario = startScenario();
    scenario.check(10_000, OVERDUE);
    const told = scenario.send({ kind: 'remedy_done', at: 10_020, remedy: 'kill', error: 'PM2 is away' });
    assert.deepEqual(describeActions(told), ['❌ Could not kill the proxy for port 6274: PM2 is away']);
  });

  test('ends the incident that it was in, as every stop does', () => {
    const scenario = startScenario();
    for (const at of [10_000, 10_250]) scenario.check(at, { process: 'stopped' });
    assert.notEqual(scenario.health().incident, null);
    scenario.check(10_500, OVERDUE);
    assert.equal(scenario.health().incident, null);
    assert.equal(scenario.health().history.at(-1)?.cause, 'stopped_by_signal');
  });

  test('is left alone by a monitor that comes late', () => {
    assert.deepEqual(startScenario().check(10_000, { ...OVERDUE, monitor: 'late' }), []);
  });
});
