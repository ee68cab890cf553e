import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Incident } from '../../../src/health/state.ts';
import { createEventDebouncer } from '../../../src/monitor/pm2-events.ts';

const rig = (t: TestContext) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  let now = 500;
  t.mock.method(performance, 'now', () => now);
  let isCheckDue = false;
  const checks: number[] = [];
  const debouncer = createEventDebouncer();
  return {
    debouncer,
    checks,
    emit: (event: string, ending: string | null = null) => {
      const checkInMs = debouncer.onEvent({ app: 'a', event, ending }, isCheckDue);
      if (checkInMs !== null) checks.push(now + checkInMs);
    },
    pass: (ms: number) => {
      now += ms;
      t.mock.timers.tick(ms);
    },
    setCheckDue: (isDue: boolean) => {
      isCheckDue = isDue;
    },
  };
};

describe('events of an app bring its next check forward', () => {
  test('to when PM2 shows it as it is, and only once until then', (t) => {
    const { emit, pass, checks, debouncer } = rig(t);
    emit('exit');
    pass(60);
    emit('online');
    emit('exit');
    assert.deepEqual([checks, debouncer.stableAt()], [[600], 660]);
    pass(60);
    emit('online');
    assert.deepEqual([checks, debouncer.stableAt()], [[600, 720], 660]);
    pass(60);
    emit('online');
    assert.equal(debouncer.stableAt(), 680);
  });

  test('but an end does not when a check is due soon anyway: it would be counted twice', (t) => {
    const { emit, setCheckDue, checks, debouncer } = rig(t);
    setCheckDue(true);
    emit('exit');
    assert.deepEqual([checks, debouncer.stableAt()], [[], 600]);
    emit('restart overlimit');
    assert.deepEqual(checks, [600]);
  });
});

test('an end that PM2 has not reported yet is waited for as one that it has', (t) => {
  const { emit, pass, checks, debouncer } = rig(t);
  assert.equal(debouncer.onEnd(), 100);
  assert.equal(debouncer.stableAt(), 600);
  pass(10);
  emit('exit');
  assert.deepEqual([checks, debouncer.stableAt()], [[], 610]);
});

test('a check waits until PM2 shows what has ended as it is', async (t) => {
  const { emit, debouncer } = rig(t);
  await debouncer.whenStable();
  emit('exit');
  let isSettled = false;
  const settled = debouncer.whenStable().then(() => {
    isSettled = true;
  });
  await new Promise((done) => setImmediate(done));
  assert.equal(isSettled, false);
  await settled;
});

test('how a process ended is said of its own incident only', (t) => {
  const { emit, pass, debouncer } = rig(t);
  const incident = (startedAt: number): Incident => ({
    startedAt,
    lastFailedAt: startedAt,
    pid: 1,
    upstream: null,
    cause: 'crashed',
    causeFailures: 1,
    loggedCauses: [],
    actions: [],
    alerted: false,
    isProxyFault: true,
    recoveringSince: null,
  });
  assert.equal(debouncer.ending(incident(1_000_000)), null);
  emit('exit', 'killed by SIGKILL');
  emit('exit', null);
  assert.equal(debouncer.ending(incident(1_000_050)), 'killed by SIGKILL');
  assert.equal(debouncer.ending(null), null);
  pass(5_000);
  assert.equal(debouncer.ending(incident(1_005_000)), null);
  emit('exit', 'exited with code 3');
  assert.equal(debouncer.ending(incident(1_000_000)), 'exited with code 3');
});
