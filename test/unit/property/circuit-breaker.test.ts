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

const budgets: fc.Arbitrary<RestartPolicy> = fc.record({
  maxRestarts: fc.integer({ min: 0, max: 4 }),
  restartWindowMs: fc.constantFrom(1_000, 30_000, 600_000),
  restartCooldownMs: fc.constantFrom(1_000, 60_000, 1_200_000),
});
/** A look that fails, or a recovery, so much later. */
const events = fc.array(
  fc.tuple(
    fc.constantFrom('failing', 'failing', 'failing', 'recovered'),
    fc.constantFrom(0, 250, 1_000, 5_000, 60_000),
  ),
  { maxLength: 300 },
);

test('no window ever has more restarts than the budget and the tries of an open breaker', () => {
  fc.assert(
    fc.property(budgets, events, (budget, happened) => {
      let breaker = CLOSED;
      let atMs = 0;
      // Since the last try that helped: it gives the budget back.
      let ordinaryMs: number[] = [];
      let triesMs: number[] = [];
      for (const [what, afterMs] of happened) {
        atMs += afterMs;
        if (what === 'recovered') {
          breaker = afterRecovery(breaker);
          if (triesMs.length > 0) ordinaryMs = [];
          triesMs = [];
          continue;
        }
        const answer = askBreaker(breaker, atMs, budget);
        if (answer === 'open') breaker = openBreaker(breaker, atMs, budget);
        if (answer !== 'allow') continue;
        assert.ok(budget.maxRestarts > 0, 'a budget of 0 is no restart at all');
        const isTry = breaker.openCount > 0;
        const lastMs = Math.max(...ordinaryMs, ...triesMs);
        if (isTry) assert.ok(atMs - lastMs >= budget.restartCooldownMs, 'a try comes after a break');
        (isTry ? triesMs : ordinaryMs).push(atMs);
        const within = ordinaryMs.filter((oneMs) => atMs - oneMs < budget.restartWindowMs);
        assert.ok(within.length <= budget.maxRestarts, `${within.length} within a window`);
        breaker = afterRestart(breaker, atMs, budget);
      }
    }),
    { numRuns: 2_000 },
  );
});
