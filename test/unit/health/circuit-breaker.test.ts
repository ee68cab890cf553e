import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  afterRecovery,
  afterRestart,
  afterUntried,
  askBreaker,
  type CircuitBreaker,
  CLOSED,
  openBreaker,
  type RestartPolicy,
} from '../../../src/health/circuit-breaker.ts';

const POLICY: RestartPolicy = { maxRestarts: 3, restartWindowMs: 600_000, restartCooldownMs: 60_000 };
const MINUTE_MS = 60_000;

/** Restarts that never help, each at the first time it is allowed: when they were done, and when the breaker opened. */
const restartInVain = (untilMs: number, policy: RestartPolicy, initial: CircuitBreaker = CLOSED) => {
  let breaker = initial;
  const restartedAt: number[] = [];
  const openedAt: number[] = [];
  for (let at = 0; at < untilMs; at += 1_000) {
    const decision = askBreaker(breaker, at, policy);
    if (decision === 'allow') {
      restartedAt.push(at);
      breaker = afterRestart(breaker, at, policy);
    } else if (decision === 'open') {
      openedAt.push(at);
      breaker = openBreaker(breaker, at, policy);
    }
  }
  return { breaker, restartedAt, openedAt };
};
const pausesInSeconds = (instants: readonly number[]): readonly number[] =>
  instants.slice(1).map((at, index) => (at - (instants[index] ?? 0)) / 1_000);

const usedUp = (): CircuitBreaker => restartInVain(4_000, POLICY).breaker;
const opened = (): CircuitBreaker => openBreaker(usedUp(), 10_000, POLICY);

test('the pauses between restarts that do not help are 1, 2, 4 … 30 s', () => {
  const { restartedAt } = restartInVain(180_000, { ...POLICY, maxRestarts: 9 });
  assert.deepEqual(pausesInSeconds(restartedAt), [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('when maxRestarts is used up it opens, and allows one restart after 1, 2, 4, 8, 10, 10 … minutes', () => {
  const { restartedAt, openedAt } = restartInVain(50 * MINUTE_MS, POLICY);
  assert.deepEqual(restartedAt.slice(0, 3), [0, 1_000, 3_000]);
  assert.deepEqual(openedAt, [7_000]);
  const attempts = restartedAt.slice(3);
  assert.deepEqual(pausesInSeconds([7_000, ...attempts]), [60, 120, 240, 480, 600, 600, 600]);
});

test('a restartCooldownMs of more than 10 minutes is kept, and not doubled', () => {
  const { restartedAt, openedAt } = restartInVain(3_600_000 * 3, { ...POLICY, restartCooldownMs: 1_800_000 });
  assert.deepEqual(
    pausesInSeconds([...openedAt, ...restartedAt.slice(3)]),
    [1_800, 1_800, 1_800, 1_800, 1_800],
  );
});

test('a maxRestarts of 0 never restarts, and never opens', () => {
  const { restartedAt, openedAt } = restartInVain(180 * MINUTE_MS, { ...POLICY, maxRestarts: 0 });
  assert.deepEqual([restartedAt, openedAt], [[], []]);
});

describe('maxRestarts counts within a window', () => {
  test('a restart no longer counts after restartWindowMs', () => {
    const breaker = afterRecovery(usedUp());
    assert.equal(askBreaker(breaker, 599_999, POLICY), 'open');
    assert.equal(askBreaker(breaker, 600_000, POLICY), 'allow');
  });

  test('a restart still counts after a recovery, and the pauses begin anew', () => {
    const breaker = afterRecovery(restartInVain(2_000, POLICY).breaker);
    assert.equal(askBreaker(breaker, 2_000, POLICY), 'allow');
    const restarted = afterRestart(breaker, 2_000, POLICY);
    assert.deepEqual(
      [2_999, 3_000].map((at) => askBreaker(restarted, at, POLICY)),
      ['backoff', 'open'],
    );
  });

  test('a recovery without a restart before it changes nothing', () => {
    const breaker = afterRecovery(usedUp());
    assert.equal(afterRecovery(breaker), breaker);
  });
});

describe('half open', () => {
  test('nothing is allowed before the pause is over, and then one restart', () => {
    assert.equal(askBreaker(opened(), 69_999, POLICY), 'backoff');
    assert.equal(askBreaker(opened(), 70_000, POLICY), 'allow');
    const retried = afterRestart(opened(), 70_000, POLICY);
    assert.equal(askBreaker(retried, 70_000 + 119_999, POLICY), 'backoff');
    assert.equal(askBreaker(retried, 70_000 + 120_000, POLICY), 'allow');
  });

  test('a restart that helps closes it, and the restarts before are forgotten', () => {
    const breaker = afterRecovery(afterRestart(opened(), 70_000, POLICY));
    assert.deepEqual(breaker, CLOSED);
    assert.equal(restartInVain(4_000, POLICY, breaker).restartedAt.length, 3);
  });

  test('a port that comes back by itself closes it, and the restarts before still count', () => {
    const breaker = afterRecovery(opened());
    assert.equal(breaker.openCount, 0);
    assert.equal(askBreaker(breaker, 20_000, POLICY), 'open');
    assert.equal(askBreaker(breaker, 600_000, POLICY), 'allow');
  });
});

test('a remedy that could not even be begun is put off for 1, 2, 4 … 30 s, and counts against nothing', () => {
  let breaker = afterRestart(CLOSED, 0, POLICY);
  const pauses = Array.from({ length: 7 }, () => {
    breaker = afterUntried(breaker, 5_000);
    return (breaker.nextRestartAt - 5_000) / 1_000;
  });
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30]);
  assert.deepEqual([breaker.restartedAt, breaker.attempts, breaker.openCount], [[0], 1, 0]);
  assert.equal(afterRestart(breaker, 60_000, POLICY).untriedCount, 0);
  assert.deepEqual(afterRecovery(afterUntried(CLOSED, 0)), CLOSED);
});
