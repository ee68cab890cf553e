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
import { reduce } from '../../../src/health/reducer.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import type { Evidence } from '../../../src/health/types.ts';
import { POLICY, seenOf } from '../../support/alert-scenario.ts';
import { HUNG, UPSTREAM_DOWN, WELL } from '../../support/health-scenario.ts';

const PORTS = [1, 2, 3];
const HEALTH_POLICY = {
  ...{ failureThreshold: 3, successThreshold: 2, place: 'port 1', upstream: 'localhost:1', optional: false },
  ...{ restartsPaused: false, maxRestarts: 10, restartWindowMs: 600_000, restartCooldownMs: 60_000 },
};
/** No port is told of as one that comes and goes: that is another story. */
const STEADY = { ...POLICY, flapping: { threshold: 1_000, windowMs: 600_000 }, repeatIntervalMs: 0 };

const sights: readonly Partial<Evidence>[] = [{}, {}, {}, UPSTREAM_DOWN, HUNG, { pm2: 'stopped' }];
/** Some looks at one port that see the same, then what the monitor does. */
const chapter = fc.record({
  port: fc.constantFrom(...PORTS),
  sight: fc.constantFrom(...sights),
  looks: fc.integer({ min: 1, max: 6 }),
  pauseMs: fc.constantFrom(250, 1_000, 4_000, 30_000),
  after: fc.constantFrom('look', 'look', 'look', 'killed', 'quiet', 'loud', 'nothing'),
});

interface Chronicle {
  readonly messages: readonly Message[];
  /** All incidents that were announced, by port and begin; the last ones may go on. */
  readonly alerted: ReadonlySet<string>;
  readonly open: ReadonlySet<string>;
}

const key = (proxy: string, fromMs: number): string => `${proxy} ${fromMs}`;

/** Plays the story through the real `step`; at its end all is well for long, and it is loud. */
const play = (
  chapters: readonly {
    port: number;
    sight: Partial<Evidence>;
    looks: number;
    pauseMs: number;
    after: string;
  }[],
): Chronicle => {
  const healths = new Map<number, Health>(PORTS.map((port) => [port, createHealth(0)]));
  let state: AlertState = INITIAL_ALERT_STATE;
  let [nowMs, isQuiet, run, pid] = [0, false, 0, 100];
  const [messages, alerted]: [Message[], Set<string>] = [[], new Set()];
  const look = (): void => {
    const seen = [...healths].map(([port, health]) => seenOf(health, port));
    const next = evaluate(state, seen, { now: nowMs, isQuiet, runId: `r${run}` }, STEADY);
    // A monitor that is killed before it has written says it again, under another id.
    state = next.state;
    messages.push(...next.messages);
  };
  const see = (port: number, sight: Partial<Evidence>): void => {
    const health = healths.get(port) ?? createHealth(0);
    pid += Number(sight.heartbeat === undefined && health.cause === 'hung');
    const event = {
      kind: 'check',
      at: nowMs,
      pid,
      evidence: { ...WELL, ...sight },
      isProbed: true,
    } as const;
    const next = reduce(health, event, HEALTH_POLICY).health;
    healths.set(port, next);
    if (next.incident?.alerted) alerted.add(key(`tcp-proxy-${port}`, next.incident.startedAt));
  };
  look();
  for (const { port, sight, looks, pauseMs, after } of chapters) {
    for (let n = 0; n < looks; n += 1) {
      nowMs += pauseMs;
      see(port, sight);
      if (after === 'look') look();
    }
    if (after === 'killed') {
      run += 1;
      state = JSON.parse(JSON.stringify(state)) as AlertState;
    }
    if (after === 'quiet' || after === 'loud') isQuiet = after === 'quiet';
    if (after !== 'nothing') look();
  }
  isQuiet = false;
  for (let n = 0; n < 20; n += 1) {
    nowMs += 1_000;
    look();
  }
  const open = [...healths].flatMap(([port, { incident }]) =>
    incident?.alerted ? [key(`tcp-proxy-${port}`, incident.startedAt)] : [],
  );
  return { messages, alerted, open: new Set(open) };
};

const noticesOf = ({ messages }: Chronicle): Notification[] =>
  messages.flatMap(({ notifications }) => [...notifications]);

test('each incident that is announced has one first word and one last, in this order; what was pending has none', () => {
  fc.assert(
    fc.property(fc.array(chapter, { maxLength: 40 }), (chapters) => {
      const chronicle = play(chapters);
      const begins = noticesOf(chronicle).filter(({ kind }) => kind === 'down' || kind === 'gave_up');
      const ends = noticesOf(chronicle).filter(({ kind }) => kind === 'recovered');
      const told = [...begins, ...ends].map(({ proxy, startedAt }) => key(proxy, startedAt));
      for (const one of told) assert.ok(chronicle.alerted.has(one), `${one} was pending`);
      for (const one of chronicle.alerted) {
        const isIt = ({ proxy, startedAt }: Notification): boolean => key(proxy, startedAt) === one;
        const [first, last] = [begins.filter(isIt), ends.filter(isIt)];
        assert.ok(first.length <= 1, `${one} began ${first.length} times`);
        assert.equal(last.length, chronicle.open.has(one) ? 0 : 1, `${one} ended`);
        assert.ok(first.length + last.length > 0, `nothing of ${one}`);
        const order = noticesOf(chronicle).filter(isIt);
        assert.deepEqual(
          order.map(({ kind }) => kind === 'recovered'),
          order.map((_, at) => at === order.length - 1 && last.length > 0),
        );
      }
      const ids = chronicle.messages.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, 'each message has an id of its own');
    }),
    { numRuns: 1_000 },
  );
});

test('in a silence nothing is said, and at its end what is down is', () => {
  fc.assert(
    fc.property(fc.array(chapter, { maxLength: 20 }), fc.boolean(), (chapters, isDown) => {
      let state = silence(INITIAL_ALERT_STATE, 1e9);
      let [health, nowMs] = [createHealth(0), 0];
      const see = (sight: Partial<Evidence>): readonly Message[] => {
        nowMs += 1_000;
        const event = {
          kind: 'check',
          at: nowMs,
          pid: 1,
          evidence: { ...WELL, ...sight },
          isProbed: true,
        } as const;
        health = reduce(health, event, HEALTH_POLICY).health;
        const next = evaluate(state, [seenOf(health)], { now: nowMs, isQuiet: false, runId: 'r' }, STEADY);
        state = next.state;
        return next.messages;
      };
      for (const { sight, looks } of chapters)
        for (let n = 0; n < looks; n += 1) assert.deepEqual(see(sight), []);
      for (let n = 0; n < 5; n += 1) assert.deepEqual(see(isDown ? UPSTREAM_DOWN : {}), []);
      state = silence(state, 0);
      const said = Array.from({ length: 10 }, () => see(isDown ? UPSTREAM_DOWN : {})).flat();
      assert.deepEqual(
        said.flatMap(({ notifications }) => notifications.map(({ kind }) => kind)),
        isDown ? ['down'] : [],
      );
    }),
    { numRuns: 300 },
  );
});
