import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  afterRecovery,
  afterRestart,
  askBreaker,
  type CircuitBreaker,
  CLOSED,
  openBreaker,
  type RestartPolicy,
} from '../../../src/health/circuit-breaker.ts';

const BUDGET: RestartPolicy = { maxRestarts: 3, restartWindowMs: 600_000, restartCooldownMs: 60_000 };
const MINUTE_MS = 60_000;

/** As if nothing helped: each cure, and each time it gave up, at the first moment it may come, until `untilMs`. */
const useless = (untilMs: number, budget: RestartPolicy, from: CircuitBreaker = CLOSED) => {
  let breaker = from;
  const curesMs: number[] = [];
  const gaveUpMs: number[] = [];
  for (let at = 0; at < untilMs; at += 1_000) {
    const answer = askBreaker(breaker, at, budget);
    if (answer === 'allow') {
      curesMs.push(at);
      breaker = afterRestart(breaker, at, budget);
    } else if (answer === 'open') {
      gaveUpMs.push(at);
      breaker = openBreaker(breaker, at, budget);
    }
  }
  return { breaker, curesMs, gaveUpMs };
};
const differences = (times: readonly number[]): readonly number[] =>
  times.slice(1).map((oneMs, at) => (oneMs - (times[at] ?? 0)) / 1_000);

const spent = (): CircuitBreaker => useless(4_000, BUDGET).breaker;
const opened = (): CircuitBreaker => openBreaker(spent(), 10_000, BUDGET);

test('the pauses between cures that do not help are 1, 2, 4 … 30 s', () => {
  const { curesMs } = useless(180_000, { ...BUDGET, maxRestarts: 9 });
  assert.deepEqual(differences(curesMs), [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('when the budget is spent it gives up, and tries once after 1, 2, 4, 8, 10, 10 … minutes', () => {
  const { curesMs, gaveUpMs } = useless(50 * MINUTE_MS, BUDGET);
  assert.deepEqual(curesMs.slice(0, 3), [0, 1_000, 3_000]);
  assert.deepEqual(gaveUpMs, [7_000]);
  const tries = curesMs.slice(3);
  assert.deepEqual(differences([7_000, ...tries]), [60, 120, 240, 480, 600, 600, 600]);
});

test('a break of more than 10 minutes by the config is kept, and not doubled', () => {
  const { curesMs, gaveUpMs } = useless(3_600_000 * 3, { ...BUDGET, restartCooldownMs: 1_800_000 });
  assert.deepEqual(differences([...gaveUpMs, ...curesMs.slice(3)]), [1_800, 1_800, 1_800, 1_800, 1_800]);
});

test('a budget of 0 never restarts, and gives up nothing that it has begun', () => {
  const { curesMs, gaveUpMs } = useless(180 * MINUTE_MS, { ...BUDGET, maxRestarts: 0 });
  assert.deepEqual([curesMs, gaveUpMs], [[], []]);
});

describe('the budget is that of a window', () => {
  test('the first cure of a full budget leaves it after restartWindowMs', () => {
    const breaker = afterRecovery(spent());
    assert.equal(askBreaker(breaker, 599_999, BUDGET), 'open');
    assert.equal(askBreaker(breaker, 600_000, BUDGET), 'allow');
  });

  test('what was spent stays spent after a recovery, and the pauses begin anew', () => {
    const breaker = afterRecovery(useless(2_000, BUDGET).breaker);
    assert.equal(askBreaker(breaker, 2_000, BUDGET), 'allow');
    const last = afterRestart(breaker, 2_000, BUDGET);
    assert.deepEqual(
      [2_999, 3_000].map((at) => askBreaker(last, at, BUDGET)),
      ['backoff', 'open'],
    );
  });

  test('a recovery without a cure before it changes nothing', () => {
    const breaker = afterRecovery(spent());
    assert.equal(afterRecovery(breaker), breaker);
  });
});

describe('half open', () => {
  test('nothing is tried before the break is over, and then one cure', () => {
    assert.equal(askBreaker(opened(), 69_999, BUDGET), 'backoff');
    assert.equal(askBreaker(opened(), 70_000, BUDGET), 'allow');
    const tried = afterRestart(opened(), 70_000, BUDGET);
    assert.equal(askBreaker(tried, 70_000 + 119_999, BUDGET), 'backoff');
    assert.equal(askBreaker(tried, 70_000 + 120_000, BUDGET), 'allow');
  });

  test('a try that helps closes it, and gives the budget back', () => {
    const breaker = afterRecovery(afterRestart(opened(), 70_000, BUDGET));
    assert.deepEqual(breaker, CLOSED);
    assert.equal(useless(4_000, BUDGET, breaker).curesMs.length, 3);
  });

  test('a port that comes back by itself closes it, and what was spent stays spent', () => {
    const breaker = afterRecovery(opened());
    assert.equal(breaker.openCount, 0);
    assert.equal(askBreaker(breaker, 20_000, BUDGET), 'open');
    assert.equal(askBreaker(breaker, 600_000, BUDGET), 'allow');
  });
});
