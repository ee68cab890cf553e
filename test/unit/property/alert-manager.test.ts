import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AlertState,
  evaluate,
  INITIAL_ALERT_STATE,
  silence,
} from '../../../src/alerting/policy/alert-manager.ts';
import type { Message, Notification } from '../../../src/alerting/policy/notification.ts';
import type { HealthPolicy } from '../../../src/health/events.ts';
import { reduce } from '../../../src/health/reducer.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import type { Evidence } from '../../../src/health/types.ts';
import { POLICY, proxyViewOf } from '../../support/alerting/alert-scenario.ts';
import { HUNG, UPSTREAM_DOWN, WELL } from '../../support/health/health-scenario.ts';

const PORTS = [1, 2, 3];
const HEALTH_POLICY: HealthPolicy = {
  failureThreshold: 3,
  successThreshold: 2,
  place: 'port 1',
  upstream: 'localhost:1',
  optional: false,
  restartsPaused: false,
  maxRestarts: 10,
  restartWindowMs: 600_000,
  restartCooldownMs: 60_000,
};
/** Without flapping and reminders, which are tested by themselves. */
const STEADY = { ...POLICY, flapping: { ...POLICY.flapping, threshold: 1_000 }, repeatIntervalMs: 0 };

const anyFault: readonly Partial<Evidence>[] = [{}, {}, {}, UPSTREAM_DOWN, HUNG, { pm2: 'stopped' }];
/** Some checks of one port with the same evidence, and what the monitor does then. */
const anyPhase = fc.record({
  port: fc.constantFrom(...PORTS),
  evidence: fc.constantFrom(...anyFault),
  checks: fc.integer({ min: 1, max: 6 }),
  pauseMs: fc.constantFrom(250, 1_000, 4_000, 30_000),
  after: fc.constantFrom('evaluate', 'evaluate', 'evaluate', 'killed', 'quiet', 'loud', 'nothing'),
});

type Phase = typeof anyPhase extends fc.Arbitrary<infer T> ? T : never;

interface Outcome {
  readonly messages: readonly Message[];
  /** All incidents with an alert, by port and start. */
  readonly alerted: ReadonlySet<string>;
  /** Those of them that go on at the end. */
  readonly open: ReadonlySet<string>;
}

const incidentKey = (proxy: string, startedAt: number): string => `${proxy} ${startedAt}`;

/** Runs the phases through the real reducer. For 20 s at the end there are no quiet hours. */
const play = (phases: readonly Phase[]): Outcome => {
  const healths = new Map<number, Health>(PORTS.map((port) => [port, createHealth(0)]));
  let state: AlertState = INITIAL_ALERT_STATE;
  let now = 0;
  let isQuiet = false;
  let run = 0;
  let pid = 100;
  const messages: Message[] = [];
  const alerted = new Set<string>();
  const evaluateAlerts = (): void => {
    const views = [...healths].map(([port, health]) => proxyViewOf(health, port));
    const next = evaluate(state, views, { now, isQuiet, runId: `r${run}` }, STEADY);
    // A monitor that is killed before it has saved the state sends the message again, with another id.
    state = next.state;
    messages.push(...next.messages);
  };
  const check = (port: number, evidence: Partial<Evidence>): void => {
    const health = healths.get(port) ?? createHealth(0);
    pid += Number(evidence.heartbeat === undefined && health.cause === 'hung');
    const next = reduceCheck(health, now, pid, evidence);
    healths.set(port, next);
    if (next.incident?.alerted) alerted.add(incidentKey(`tcp-proxy-${port}`, next.incident.startedAt));
  };
  evaluateAlerts();
  for (const { port, evidence, checks, pauseMs, after } of phases) {
    for (let count = 0; count < checks; count += 1) {
      now += pauseMs;
      check(port, evidence);
      if (after === 'evaluate') evaluateAlerts();
    }
    if (after === 'killed') {
      run += 1;
      state = JSON.parse(JSON.stringify(state)) as AlertState;
    }
    if (after === 'quiet' || after === 'loud') isQuiet = after === 'quiet';
    if (after !== 'nothing') evaluateAlerts();
  }
  isQuiet = false;
  for (let count = 0; count < 20; count += 1) {
    now += 1_000;
    evaluateAlerts();
  }
  const open = [...healths].flatMap(([port, { incident }]) =>
    incident?.alerted ? [incidentKey(`tcp-proxy-${port}`, incident.startedAt)] : [],
  );
  return { messages, alerted, open: new Set(open) };
};

const reduceCheck = (health: Health, at: number, pid: number, evidence: Partial<Evidence>): Health =>
  reduce(
    health,
    { kind: 'check', at, pid, evidence: { ...WELL, ...evidence }, isProbed: true },
    HEALTH_POLICY,
  ).health;

const notificationsOf = ({ messages }: Outcome): Notification[] =>
  messages.flatMap(({ notifications }) => [...notifications]);

test('each incident with an alert has one start and one end, in this order; one without has neither', () => {
  fc.assert(
    fc.property(fc.array(anyPhase, { maxLength: 40 }), (phases) => {
      const outcome = play(phases);
      const starts = notificationsOf(outcome).filter(({ kind }) => kind === 'down' || kind === 'gave_up');
      const ends = notificationsOf(outcome).filter(({ kind }) => kind === 'recovered');
      const announced = [...starts, ...ends].map(({ proxy, startedAt }) => incidentKey(proxy, startedAt));
      for (const incident of announced) assert.ok(outcome.alerted.has(incident), `${incident} was pending`);
      for (const incident of outcome.alerted) {
        const isAboutIncident = ({ proxy, startedAt }: Notification): boolean =>
          incidentKey(proxy, startedAt) === incident;
        const startCount = starts.filter(isAboutIncident).length;
        const endCount = ends.filter(isAboutIncident).length;
        assert.ok(startCount <= 1, `${incident} began ${startCount} times`);
        assert.equal(endCount, outcome.open.has(incident) ? 0 : 1, `${incident} ended`);
        assert.ok(startCount + endCount > 0, `no notification of ${incident}`);
        const inOrder = notificationsOf(outcome).filter(isAboutIncident);
        assert.deepEqual(
          inOrder.map(({ kind }) => kind === 'recovered'),
          inOrder.map((_, index) => index === inOrder.length - 1 && endCount > 0),
        );
      }
      const ids = outcome.messages.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, 'each message has an id of its own');
    }),
    { numRuns: 1_000 },
  );
});

test('a silence has no notifications, and at its end there is one for a port that is down', () => {
  fc.assert(
    fc.property(fc.array(anyPhase, { maxLength: 20 }), fc.boolean(), (phases, isDown) => {
      let state = silence(INITIAL_ALERT_STATE, 1e9);
      let health = createHealth(0);
      let now = 0;
      const check = (evidence: Partial<Evidence>): readonly Message[] => {
        now += 1_000;
        health = reduceCheck(health, now, 1, evidence);
        const next = evaluate(state, [proxyViewOf(health)], { now, isQuiet: false, runId: 'r' }, STEADY);
        state = next.state;
        return next.messages;
      };
      for (const { evidence, checks } of phases)
        for (let count = 0; count < checks; count += 1) assert.deepEqual(check(evidence), []);
      for (let count = 0; count < 5; count += 1) assert.deepEqual(check(isDown ? UPSTREAM_DOWN : {}), []);
      state = silence(state, 0);
      const messages = Array.from({ length: 10 }, () => check(isDown ? UPSTREAM_DOWN : {})).flat();
      assert.deepEqual(
        messages.flatMap(({ notifications }) => notifications.map(({ kind }) => kind)),
        isDown ? ['down'] : [],
      );
    }),
    { numRuns: 300 },
  );
});
