import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Incident } from '../../../src/health/state.ts';
import { createEventDebouncer } from '../../../src/monitor/pm2-events.ts';

const rig = (t: TestContext) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  let now = 500;
  t.mock.method(performance, 'now', () => now);
  let isExpected = false;
  const looks: number[] = [];
  const hints = createEventDebouncer(
    () => isExpected,
    (ms) => looks.push(now + ms),
  );
  return {
    ...{ hints, looks },
    say: (event: string, ending: string | null = null) => hints.onEvent({ app: 'a', event, ending }),
    pass: (ms: number) => {
      now += ms;
      t.mock.timers.tick(ms);
    },
    expect: (is: boolean) => {
      isExpected = is;
    },
  };
};

describe('news of an app bring its look forward', () => {
  test('to when PM2 shows it as it is, and only once until then', (t) => {
    const { say, pass, looks, hints } = rig(t);
    say('exit');
    pass(60);
    say('online');
    say('exit');
    assert.deepEqual([looks, hints.stableAt()], [[600], 660]);
    pass(60);
    say('online');
    assert.deepEqual([looks, hints.stableAt()], [[600, 720], 660]);
    pass(60);
    say('online');
    assert.equal(hints.stableAt(), 680);
  });

  test('but an end does not when a look is due soon as it is: it would be counted twice', (t) => {
    const { say, expect, looks, hints } = rig(t);
    expect(true);
    say('exit');
    assert.deepEqual([looks, hints.stableAt()], [[], 600]);
    say('restart overlimit');
    assert.deepEqual(looks, [600]);
  });
});

test('a look waits until PM2 shows what has ended as it is', async (t) => {
  const { say, hints } = rig(t);
  await hints.whenStable();
  say('exit');
  let isSettled = false;
  const settled = hints.whenStable().then(() => {
    isSettled = true;
  });
  await new Promise((done) => setImmediate(done));
  assert.equal(isSettled, false);
  await settled;
});

test('how a process ended is told of its own incident only', (t) => {
  const { say, pass, hints } = rig(t);
  const incident = (startedAt: number): Incident => ({
    ...{
      startedAt,
      pid: 1,
      cause: 'crashed',
      actions: [],
      alerted: false,
      isProxyFault: true,
      recoveringSince: null,
    },
  });
  assert.equal(hints.ending(incident(1_000_000)), null);
  say('exit', 'killed by SIGKILL');
  say('exit', null);
  assert.equal(hints.ending(incident(1_000_050)), 'killed by SIGKILL');
  assert.equal(hints.ending(null), null);
  pass(5_000);
  assert.equal(hints.ending(incident(1_005_000)), null);
  say('exit', 'exited with code 3');
  assert.equal(hints.ending(incident(1_000_000)), 'exited with code 3');
});
