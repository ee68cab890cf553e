import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  afterRecovery,
  afterRestart,
  askBreaker,
  CLOSED,
  openBreaker,
  type RestartPolicy,
} from '../../../src/health/circuit-breaker.ts';

const policies: fc.Arbitrary<RestartPolicy> = fc.record({
  maxRestarts: fc.integer({ min: 0, max: 4 }),
  restartWindowMs: fc.constantFrom(1_000, 30_000, 600_000),
  restartCooldownMs: fc.constantFrom(1_000, 60_000, 1_200_000),
});
/** A failure or a recovery, and how long after the last event it comes. */
const events = fc.array(
  fc.tuple(
    fc.constantFrom('failing', 'failing', 'failing', 'recovered'),
    fc.constantFrom(0, 250, 1_000, 5_000, 60_000),
  ),
  { maxLength: 300 },
);

test('no window ever has more restarts than maxRestarts and the attempts of an open breaker', () => {
  fc.assert(
    fc.property(policies, events, (policy, history) => {
      let breaker = CLOSED;
      let now = 0;
      // An attempt that helped resets the count, so both lists begin after the last one.
      let restartedAt: number[] = [];
      let attemptedAt: number[] = [];
      for (const [event, afterMs] of history) {
        now += afterMs;
        if (event === 'recovered') {
          breaker = afterRecovery(breaker);
          if (attemptedAt.length > 0) restartedAt = [];
          attemptedAt = [];
          continue;
        }
        const decision = askBreaker(breaker, now, policy);
        if (decision === 'open') breaker = openBreaker(breaker, now, policy);
        if (decision !== 'allow') continue;
        assert.ok(policy.maxRestarts > 0, 'a maxRestarts of 0 allows none');
        const isAttempt = breaker.openCount > 0;
        const lastAt = Math.max(...restartedAt, ...attemptedAt);
        if (isAttempt) assert.ok(now - lastAt >= policy.restartCooldownMs, 'an attempt comes after a pause');
        (isAttempt ? attemptedAt : restartedAt).push(now);
        const within = restartedAt.filter((at) => now - at < policy.restartWindowMs);
        assert.ok(within.length <= policy.maxRestarts, `${within.length} within a window`);
        breaker = afterRestart(breaker, now, policy);
      }
    }),
    { numRuns: 2_000 },
  );
});
