import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { startNotifier } from '../../../src/alerting/notifier.ts';
import type { Message } from '../../../src/alerting/policy/notification.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import { incident, past, proxyViewOf } from '../../support/alerting/alert-scenario.ts';
import { alertsConfig, createClock, REFUSED } from '../../support/alerting/fake-receivers.ts';
import { startSimulatedProcess } from '../../support/simulated-process.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** What has happened to the port so far. A monitor keeps it in a file of its own, apart from the alerts. */
interface Story {
  fellAt?: number;
  roseAt?: number;
}

interface Delivered {
  /** The kinds of the message's notifications. */
  readonly what: string;
  readonly id: string;
}

/**
 * A monitor's notifier with one port, which goes down and comes back; each happens when what was before is sent.
 * @param delivered gets each message that reaches the receiver
 * @param killAt the step at which it is killed ({@link startSimulatedProcess})
 * @param startsAt default: see {@link createClock}
 */
const runNotifier = async (
  path: string,
  story: Story,
  delivered: Delivered[],
  killAt: number,
  startsAt?: number,
): Promise<{ readonly steps: readonly string[]; readonly endedAt: number }> => {
  const clock = createClock(startsAt);
  const simulated = startSimulatedProcess(killAt);
  const send = async ({ id, notifications }: Message): Promise<Delivery> => {
    try {
      simulated.step('before a delivery');
      delivered.push({ what: notifications.map(({ kind }) => kind).join(), id });
      simulated.step('after a delivery');
      return { ok: true };
    } catch {
      // No process is left that could take the answer.
      return REFUSED;
    }
  };
  const health = (): Health => ({
    ...createHealth(0),
    state: 'up',
    incident: story.fellAt && !story.roseAt ? incident(story.fellAt) : null,
    history: story.fellAt && story.roseAt ? [past(story.fellAt, story.roseAt)] : [],
  });
  try {
    const notifier = startNotifier({
      path,
      config: alertsConfig({ groupWaitMs: 20 }),
      channels: { eventChannels: [{ kind: 'webhook', name: 'webhook', send }], stateChannels: [] },
      log: () => {},
      clock,
      proxies: () => [proxyViewOf(health())],
    });
    const sent = async (count: number): Promise<void> => {
      notifier.evaluateSoon();
      for (let second = 0; second < 60 && !simulated.isKilled(); second += 1) {
        if ((notifier.counts()['webhook']?.sent ?? 0) >= count) return;
        await clock.pass(1_000);
      }
      assert.ok(simulated.isKilled(), `message ${count} was not sent within a minute`);
    };
    story.fellAt ??= clock.now();
    await sent(1);
    if (!simulated.isKilled()) story.roseAt ??= clock.now();
    await sent(2);
    if (!simulated.isKilled()) await notifier.stop();
  } finally {
    simulated.end();
  }
  assert.equal(simulated.isKilled(), killAt > 0);
  return { steps: simulated.steps, endedAt: clock.now() };
};

/** Runs a notifier that is killed at the step, and then the one of the next monitor, on the same files. */
const runKilledAt = async (killAt: number) => {
  const path = join(tempFolder(), 'alerts.json');
  const [story, delivered]: [Story, Delivered[]] = [{}, []];
  const { steps, endedAt } = await runNotifier(path, story, delivered, killAt);
  if (killAt > 0) await runNotifier(path, story, delivered, 0, endedAt + 1_000);
  return { steps, delivered };
};

/** Every message once, in order of its first delivery. */
const distinct = (delivered: readonly Delivered[]): readonly string[] => [
  ...new Map(delivered.map(({ what, id }) => [id, what])).values(),
];

test('a monitor that is killed at any step loses nothing, and sends at most one message twice, with the same id', async () => {
  const { steps, delivered: undisturbed } = await runKilledAt(0);
  assert.deepEqual(
    undisturbed.map(({ what }) => what),
    ['down', 'recovered'],
  );
  const kinds = steps.map((step) => step.split(' ')[0] ?? '');
  assert.deepEqual([...new Set(kinds)].sort(), ['after', 'before', 'create', 'renameSync', 'write']);
  assert.ok(steps.length >= 20, String(steps));

  const duplicatingKinds = new Set<string>();
  for (const [index, step] of steps.entries()) {
    const { delivered } = await runKilledAt(index + 1);
    const where = `killed at step ${index + 1}, ${step}: ${JSON.stringify(delivered)}`;
    assert.deepEqual(distinct(delivered), ['down', 'recovered'], where);
    assert.ok(delivered.length <= 3, where);
    if (delivered.length === 3) duplicatingKinds.add(kinds[index] ?? '');
  }
  // From the delivery to the end of its record there is a moment in which nothing else is possible.
  assert.deepEqual([...duplicatingKinds].sort(), ['after', 'create', 'renameSync', 'write']);
});
