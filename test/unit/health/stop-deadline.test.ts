import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type StopProgress, stoppingOf, trackStop } from '../../../src/health/stop-deadline.ts';
import type { Evidence } from '../../../src/health/types.ts';
import { describeActions, remediesOf, startScenario } from '../../support/health/health-scenario.ts';

type Check = Partial<Pick<Evidence, 'pm2' | 'process' | 'heartbeat'>> & { at: number; pid?: number };

/** The evidence of the last of several checks. */
const stoppingAfter = (...checks: readonly Check[]): Evidence['stopping'] => {
  let progress: StopProgress | null = null;
  let stopping: Evidence['stopping'] = 'no';
  for (const check of checks) {
    const sample = { pm2: 'stopping', process: 'alive', heartbeat: 'ok', pid: 100, ...check } as const;
    progress = trackStop(progress, sample);
    stopping = stoppingOf(progress, sample);
  }
  return stopping;
};

describe('a process that PM2 is stopping', () => {
  test('and that answers has the time that a proxy needs to exit', () => {
    assert.equal(stoppingAfter({ at: 0 }), 'in_time');
    assert.equal(stoppingAfter({ at: 0 }, { at: 2_000 }), 'in_time');
    assert.equal(stoppingAfter({ at: 0 }, { at: 2_001 }), 'overdue');
  });

  test('and that is stopped by a signal will not exit by itself', () => {
    assert.equal(stoppingAfter({ at: 0, process: 'stopped', heartbeat: 'unknown' }), 'overdue');
  });

  test('may miss one heartbeat', () => {
    const silent = { heartbeat: 'silent' } as const;
    assert.equal(stoppingAfter({ at: 0, ...silent }), 'in_time');
    assert.equal(stoppingAfter({ at: 0, ...silent }, { at: 250 }), 'in_time');
    assert.equal(stoppingAfter({ at: 0, ...silent }, { at: 250, ...silent }), 'overdue');
  });

  test('misses no heartbeat once its control socket is closed, and has its time', () => {
    const closed = { heartbeat: 'unreachable' } as const;
    assert.equal(
      stoppingAfter({ at: 0, ...closed }, { at: 250, ...closed }, { at: 500, ...closed }),
      'in_time',
    );
  });

  test('has its time anew when it has another pid', () => {
    assert.equal(stoppingAfter({ at: 0 }, { at: 1_900, pid: 200 }, { at: 2_100, pid: 200 }), 'in_time');
  });
});

test('a process that PM2 is not stopping is never overdue, however long it is silent', () => {
  const hung = { pm2: 'online', process: 'stopped', heartbeat: 'silent' } as const;
  assert.equal(stoppingAfter({ at: 0, ...hung }, { at: 250, ...hung }, { at: 9_000, ...hung }), 'no');
  assert.equal(stoppingAfter({ at: 0 }, { at: 100, pm2: 'online' }, { at: 5_000 }), 'in_time');
});

describe('a process that PM2 is stopping and that does not exit', () => {
  const OVERDUE = { pm2: 'stopping', stopping: 'overdue', process: 'stopped', heartbeat: 'unknown' } as const;

  test('is killed once, which is logged', () => {
    const scenario = startScenario();
    assert.deepEqual(describeActions(scenario.check(10_000, OVERDUE)), [
      'Killing the proxy for port 6274 (PID: 100): PM2 is stopping it, and it does not leave',
      'restart kill null',
    ]);
    assert.deepEqual(scenario.check(10_250, OVERDUE), []);
    assert.deepEqual(remediesOf(scenario.check(11_000, OVERDUE, 200)), ['kill']);
  });

  test('is stopped, which is no failure, no restart, and does not count against maxRestarts', () => {
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

  test('has not crashed, although PM2 shows it as given up for a moment', () => {
    const scenario = startScenario();
    scenario.check(10_000, OVERDUE);
    const gone = { pm2: 'gave_up', process: 'unknown', heartbeat: 'unknown' } as const;
    assert.deepEqual(scenario.check(10_250, gone, null), []);
    assert.equal(scenario.health().restarts.crash, 0);
    scenario.check(10_500, { ...gone, pm2: 'stopped' }, null);
    assert.deepEqual([scenario.health().state, scenario.health().failures.total], ['stopped', 0]);
  });

  test('is logged when it cannot be killed', () => {
    const scenario = startScenario();
    scenario.check(10_000, OVERDUE);
    const actions = scenario.send({ kind: 'remedy_done', at: 10_020, remedy: 'kill', error: 'PM2 is away' });
    assert.deepEqual(describeActions(actions), ['❌ Could not kill the proxy for port 6274: PM2 is away']);
  });

  test('has no incident any more, as after every stop', () => {
    const scenario = startScenario();
    for (const at of [10_000, 10_250]) scenario.check(at, { process: 'stopped' });
    assert.notEqual(scenario.health().incident, null);
    scenario.check(10_500, OVERDUE);
    assert.equal(scenario.health().incident, null);
    assert.equal(scenario.health().history.at(-1)?.cause, 'stopped_by_signal');
  });

  test('is left alone by a check that came late', () => {
    assert.deepEqual(startScenario().check(10_000, { ...OVERDUE, monitor: 'late' }), []);
  });
});
