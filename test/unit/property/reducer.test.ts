import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isLoadSensitive, isProxyFault } from '../../../src/health/causes.ts';
import { judge } from '../../../src/health/decision-table.ts';
import type { HealthPolicy } from '../../../src/health/events.ts';
import { reduce } from '../../../src/health/reducer.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import { anyEvidence } from '../../support/health/arbitrary-evidence.ts';

const evidence = anyEvidence({ crashes: ['few'] });
/** An event. A check is repeated `repeat` times, so that incidents last long enough to reach the thresholds. */
const anyEvent = fc.oneof(
  fc.record({
    kind: fc.constant('check' as const),
    evidence,
    isProbed: fc.boolean(),
    pid: fc.option(fc.integer({ min: 1, max: 3 })),
    repeat: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({
    kind: fc.constantFrom('crash' as const, 'shutdown_announced' as const, 'restart_requested' as const),
  }),
);
/** Events, each with the time after the one before. */
const histories = fc.array(fc.tuple(anyEvent, fc.integer({ min: 0, max: 8_000 })), { maxLength: 40 });
const policies: fc.Arbitrary<HealthPolicy> = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  place: fc.constant('port 6274'),
  upstream: fc.constant('localhost:6274'),
  optional: fc.boolean(),
  restartsPaused: fc.boolean(),
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
  for (const count of [
    consecutive,
    crash,
    forced,
    recovery.count,
    recovery.lastMs,
    breaker.attempts,
    successes,
  ])
    assert.ok(Number.isInteger(count) && count >= 0, String(count));
};

test('whatever happens, only a verdict with a remedy restarts, and the counters stay in order', () => {
  fc.assert(
    fc.property(histories, policies, fc.boolean(), (history, policy, canDoRemedies) => {
      let health = createHealth(0);
      let at = 0;
      let wasAlerted = false;
      // Restarts by a closed breaker, since the last attempt of an open one that helped.
      let restartedAt: number[] = [];
      for (const [event, afterMs] of history) {
        for (let count = event.kind === 'check' ? event.repeat : 1; count > 0; count -= 1) {
          at += afterMs;
          const { actions, health: next } = reduce(health, { ...event, at }, policy);
          const verdict = event.kind === 'check' ? judge(event.evidence, policy.optional) : undefined;
          const remedies = verdict?.kind === 'failing' ? verdict.remedies : [];
          const remedyActions = actions.flatMap((action) => (action.kind === 'remedy' ? [action] : []));
          const restarts = remedyActions.flatMap((action) => (action.remedy === 'kill' ? [] : [action]));
          if (remedyActions.length > restarts.length) {
            assert.equal(verdict?.kind, 'ending', 'only what PM2 is stopping is killed');
            assert.notEqual(health.killedPid, next.killedPid, 'and each process once');
            assert.deepEqual([next.failures.total, next.restarts], [health.failures.total, health.restarts]);
          }
          assert.ok(restarts.length <= 1);
          for (const restart of restarts) {
            assert.ok(remedies.includes(restart.remedy));
            assert.ok(
              !policy.restartsPaused || !isLoadSensitive(restart.cause),
              'no load-sensitive cause has a remedy while restarts are paused',
            );
            assert.ok(isProxyFault(restart.cause), `${restart.cause} is no fault of the proxy`);
            if (health.breaker.openCount === 0) restartedAt.push(at);
            const within = restartedAt.filter((instant) => at - instant < policy.restartWindowMs);
            assert.ok(within.length <= policy.maxRestarts, `${within.length} restarts within a window`);
          }
          const alerts = actions.filter((action) => action.kind === 'log' && action.event === 'alert');
          assert.ok(alerts.length <= (wasAlerted ? 0 : 1), 'one alert an incident');
          wasAlerted = next.incident?.alerted ?? false;
          checkNumbers(next);
          assert.ok(next.failures.total >= health.failures.total);
          assert.ok(next.restarts.crash >= health.restarts.crash);
          if (health.breaker.openCount > 1 && next.breaker.openCount === 0) restartedAt = [];
          health = next;
          for (const restart of restarts) {
            const error = canDoRemedies ? null : 'no';
            health = reduce(
              health,
              { kind: 'remedy_done', at, remedy: restart.remedy, error },
              policy,
            ).health;
            checkNumbers(health);
          }
        }
      }
    }),
    { numRuns: 500 },
  );
});
