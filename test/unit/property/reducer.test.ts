import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isOwn, isSoft } from '../../../src/health/causes.ts';
import { judge } from '../../../src/health/decision-table.ts';
import type { HealthPolicy } from '../../../src/health/events.ts';
import { step } from '../../../src/health/reducer.ts';
import { type Health, newHealth } from '../../../src/health/state.ts';
import { anyEvidence } from '../../support/arbitrary-evidence.ts';

const evidence = anyEvidence({ crashes: ['few'] });
/** Most looks see the same as the last one: `repeat` makes incidents long enough to reach thresholds. */
const happening = fc.oneof(
  fc.record({
    kind: fc.constant('look' as const),
    evidence,
    isProbed: fc.boolean(),
    pid: fc.option(fc.integer({ min: 1, max: 3 })),
    repeat: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({ kind: fc.constantFrom('crash' as const, 'left' as const) }),
);
const story = fc.array(fc.tuple(happening, fc.integer({ min: 0, max: 8_000 })), { maxLength: 40 });
const policies: fc.Arbitrary<HealthPolicy> = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  place: fc.constant('port 6274'),
  upstream: fc.constant('localhost:6274'),
  optional: fc.boolean(),
  isBraked: fc.boolean(),
  maxRestarts: fc.integer({ min: 0, max: 4 }),
  restartWindowMs: fc.constantFrom(10_000, 600_000),
  restartCooldownMs: fc.constantFrom(1_000, 60_000),
});

const checkNumbers = ({ failures, restarts, recovery, incident, breaker, successes }: Health): void => {
  const { consecutive, sinceHealthy, total } = failures;
  assert.ok(consecutive <= sinceHealthy && sinceHealthy <= total, JSON.stringify(failures));
  assert.ok(incident !== null || sinceHealthy === 0, 'no incident, and yet failures since healthy');
  assert.ok(recovery.lastMs <= recovery.totalMs, JSON.stringify(recovery));
  const { crash, forced } = restarts;
  for (const one of [consecutive, crash, forced, recovery.count, recovery.lastMs, breaker.tries, successes])
    assert.ok(Number.isInteger(one) && one >= 0, String(one));
};

test('whatever happens: only a verdict with a cure restarts, and the counters stay in order', () => {
  fc.assert(
    fc.property(story, policies, fc.boolean(), (events, policy, cureHelps) => {
      let health = newHealth(0);
      let atMs = 0;
      let wasAlerted = false;
      // Restarts within the budget, since the last try of an open breaker that helped.
      let ordinaryMs: number[] = [];
      for (const [event, afterMs] of events) {
        for (let again = event.kind === 'look' ? event.repeat : 1; again > 0; again -= 1) {
          atMs += afterMs;
          const { actions, health: next } = step(health, { ...event, atMs }, policy);
          const verdict = event.kind === 'look' ? judge(event.evidence, policy.optional) : undefined;
          const cures = verdict?.kind === 'failing' ? verdict.cures : [];
          const done = actions.flatMap((action) => (action.kind === 'cure' ? [action] : []));
          const restarts = done.flatMap((action) => (action.cure === 'kill' ? [] : [action]));
          if (done.length > restarts.length) {
            assert.equal(verdict?.kind, 'ending', 'only what PM2 is stopping is killed');
            assert.notEqual(health.killedPid, next.killedPid, 'and each process once');
            assert.deepEqual([next.failures.total, next.restarts], [health.failures.total, health.restarts]);
          }
          assert.ok(restarts.length <= 1);
          for (const restart of restarts) {
            assert.ok(cures.includes(restart.cure));
            assert.ok(!policy.isBraked || !isSoft(restart.cause), 'nothing soft is cured under the brake');
            assert.ok(isOwn(restart.cause), `${restart.cause} is none of the proxy's`);
            if (health.breaker.opened === 0) ordinaryMs.push(atMs);
            const within = ordinaryMs.filter((oneMs) => atMs - oneMs < policy.restartWindowMs);
            assert.ok(within.length <= policy.maxRestarts, `${within.length} restarts within a window`);
          }
          const alerts = actions.filter((action) => action.kind === 'tell' && action.event === 'alert');
          assert.ok(alerts.length <= (wasAlerted ? 0 : 1), 'one alert an incident');
          wasAlerted = next.incident?.alerted ?? false;
          checkNumbers(next);
          assert.ok(next.failures.total >= health.failures.total);
          assert.ok(next.restarts.crash >= health.restarts.crash);
          if (health.breaker.opened > 1 && next.breaker.opened === 0) ordinaryMs = [];
          health = next;
          for (const restart of restarts) {
            const error = cureHelps ? null : 'no';
            health = step(health, { kind: 'cured', atMs, cure: restart.cure, error }, policy).health;
            checkNumbers(health);
          }
        }
      }
    }),
    { numRuns: 500 },
  );
});
