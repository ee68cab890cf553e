import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { NO_ALERTS } from '../../../src/status/snapshot.ts';
import { createChannel, createDesk, createLevel, REFUSED } from '../../support/alerting/fake-receivers.ts';

const MINUTE_MS = 60_000;
const OUTAGE = ['down 6274', 'recovered 6274'];

test('an outage is sent to each channel once', async () => {
  const desk = createDesk();
  const [slack, webhook] = [createChannel('slack'), createChannel('webhook')];
  const notifier = desk.start([slack, webhook]);
  desk.fall();
  notifier.evaluateSoon();
  await desk.clock.pass(20_000);
  desk.rise();
  notifier.evaluateSoon();
  await desk.clock.pass(MINUTE_MS);
  assert.deepEqual([slack.tries, webhook.tries], [OUTAGE, OUTAGE]);
  assert.deepEqual(notifier.counts(), {
    slack: { sent: 2, failed: 0, dropped: 0 },
    webhook: { sent: 2, failed: 0, dropped: 0 },
  });
  assert.deepEqual(desk.log, []);
});

test('a message is in the file before it is sent, and no longer after it was sent', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const waiting = (): unknown[] => JSON.parse(readFileSync(desk.path, 'utf8')).outbox.slack?.items ?? [];
  const proxyViews: number[] = [];
  slack.answer = async () => {
    proxyViews.push(waiting().length);
    return { ok: true };
  };
  desk.start([slack]);
  desk.fall();
  await desk.clock.pass(20_000);
  assert.deepEqual([proxyViews, waiting().length], [[1], 0]);
});

test('a receiver that comes back after ten minutes gets everything, in order, and nothing twice', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const got: string[] = [];
  slack.answer = async () => REFUSED;
  const notifier = desk.start([slack]);
  for (let n = 0; n < 2; n += 1) {
    desk.fall();
    await desk.clock.pass(3 * MINUTE_MS);
    desk.rise();
    await desk.clock.pass(2 * MINUTE_MS);
  }
  assert.deepEqual(notifier.status().channels, [{ name: 'slack', waiting: 4, problem: 'HTTP 500' }]);
  assert.ok(slack.tries.length < 12, `${slack.tries.length} tries`);
  slack.answer = async ({ id, notifications }) => {
    got.push(`${id} ${notifications.map(({ kind }) => kind)}`);
    return { ok: true };
  };
  await desk.clock.pass(5 * MINUTE_MS);
  assert.deepEqual(
    got.map((text) => text.replace(/^\S+-/, '')),
    ['1 down', '2 recovered', '3 down', '4 recovered'],
  );
  assert.deepEqual(notifier.status().channels, [{ name: 'slack', waiting: 0, problem: null }]);
  assert.deepEqual(desk.log, [
    'delivery_failed ⚠️  Alerts to slack do not arrive: HTTP 500; trying again',
    'delivery_recovered Alerts to slack arrive again',
  ]);
});

test('a channel that hangs does not delay another', async () => {
  const desk = createDesk();
  const [hanging, webhook] = [createChannel('slack'), createChannel('webhook')];
  hanging.answer = () => new Promise<Delivery>(() => {});
  desk.start([hanging, webhook]);
  desk.fall();
  await desk.clock.pass(MINUTE_MS);
  desk.rise();
  await desk.clock.pass(MINUTE_MS);
  assert.deepEqual([hanging.tries, webhook.tries], [['down 6274'], OUTAGE]);
});

test('a message that is refused for good is dropped, logged and counted, and the next one is sent', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  slack.answer = async () => ({ ...REFUSED, problem: 'HTTP 400', isFinal: true });
  const notifier = desk.start([slack]);
  desk.fall();
  await desk.clock.pass(MINUTE_MS);
  slack.answer = async () => ({ ok: true });
  desk.rise();
  await desk.clock.pass(MINUTE_MS);
  assert.deepEqual(slack.tries, OUTAGE);
  assert.deepEqual(notifier.counts()['slack'], { sent: 1, failed: 0, dropped: 1 });
  assert.equal(desk.log[0], 'alert_dropped ⚠️  slack does not take an alert, which is dropped: HTTP 400');
});

test('the next monitor sends what this one could not, under the same id, and its counts go on', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const ids: string[] = [];
  slack.answer = async ({ id }) => {
    ids.push(id);
    return REFUSED;
  };
  const first = desk.start([slack]);
  desk.fall();
  await desk.clock.pass(11_500);
  await first.stop();
  slack.answer = async ({ id }) => {
    ids.push(id);
    return { ok: true };
  };
  const second = desk.start([slack]);
  await desk.clock.pass(MINUTE_MS);
  assert.deepEqual([new Set(ids).size, slack.tries.at(-1)], [1, 'down 6274']);
  assert.deepEqual(second.counts()['slack'], { sent: 1, failed: 2, dropped: 0 });
});

test('what an earlier version announced goes on, though it named no host and had one state for all channels', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const first = desk.start([slack]);
  desk.fall();
  await desk.clock.pass(10_000);
  await first.stop();
  const { ownStates, ...file } = JSON.parse(readFileSync(desk.path, 'utf8'));
  assert.deepEqual(ownStates, {});
  writeFileSync(desk.path, JSON.stringify(file).replaceAll('"host":"devbox",', ''));
  desk.start([slack]);
  await desk.clock.pass(10_000);
  desk.rise();
  await desk.clock.pass(10_000);
  assert.deepEqual([slack.tries, desk.log], [OUTAGE, []]);
});

test('what changes while no monitor runs is announced by the next one', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const first = desk.start([slack]);
  desk.fall();
  await desk.clock.pass(10_000);
  await first.stop();
  desk.rise();
  desk.start([slack]);
  await desk.clock.pass(10_000);
  assert.deepEqual(slack.tries, OUTAGE);
});

test('a file that is removed is written anew, though nothing changes', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const first = desk.start([slack]);
  desk.fall();
  await desk.clock.pass(MINUTE_MS);
  rmSync(desk.path);
  await desk.clock.pass(10_000);
  assert.ok(existsSync(desk.path));
  await first.stop();
  desk.start([slack]);
  await desk.clock.pass(10_000);
  desk.rise();
  await desk.clock.pass(MINUTE_MS);
  assert.deepEqual(slack.tries, OUTAGE);
});

test('a monitor that starts announces nothing of a port, neither a beginning nor an end, before it has checked it', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const level = createLevel(desk.clock);
  let isChecked = true;
  const start = () => desk.start([slack], [level], desk.path, (view) => ({ ...view, isChecked }));
  const tries: string[][] = [];
  for (const change of [desk.fall, desk.rise]) {
    const first = start();
    await desk.clock.pass(10_000);
    await first.stop();
    isChecked = false;
    change();
    const next = start();
    await desk.clock.pass(MINUTE_MS);
    tries.push([...slack.tries]);
    isChecked = true;
    await desk.clock.pass(10_000);
    tries.push([...slack.tries]);
    await next.stop();
  }
  assert.deepEqual(tries, [[], ['down 6274'], ['down 6274'], OUTAGE]);
  assert.deepEqual(
    new Set(level.tries.map(({ alerts }) => alerts.length)),
    new Set([1]),
    'Alertmanager hears of it from its beginning to its end',
  );
});

test('planned restarts of the monitor are no news: neither while all is well, nor in an outage, nor after it', async () => {
  const desk = createDesk({ afterMs: 60_000 });
  const slack = createChannel('slack');
  const level = createLevel(desk.clock);
  let notifier = desk.start([slack], [level]);
  const restart = async (): Promise<void> => {
    for (let count = 0; count < 4; count += 1) {
      await notifier.stop();
      await desk.clock.pass(1_000);
      notifier = desk.start([slack], [level]);
      await desk.clock.pass(9_000);
    }
  };
  const tries: string[][] = [];
  await restart();
  desk.fall();
  await restart();
  tries.push([...slack.tries]);
  await desk.clock.pass(30_000);
  await restart();
  tries.push([...slack.tries]);
  desk.rise();
  await restart();
  tries.push([...slack.tries]);
  assert.deepEqual(tries, [[], ['down 6274'], OUTAGE]);
  const starts = level.tries.flatMap(({ alerts }) => alerts.map(({ startsAt }) => startsAt));
  assert.equal(new Set(starts).size, 1);
});

test('a stop waits a moment for deliveries under way, and ignores an answer that comes later', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  let answerLate = (_: Delivery): void => {};
  slack.answer = () => new Promise<Delivery>((done) => (answerLate = done));
  const first = desk.start([slack]);
  desk.fall();
  await desk.clock.pass(10_000);
  const stopped = first.stop();
  await desk.clock.pass(1_000);
  await stopped;
  answerLate({ ok: true });
  await desk.clock.pass(1_000);
  assert.equal(first.counts()['slack'], undefined);
});

test('a channel that is no longer configured loses its queue, with one line', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  slack.answer = async () => REFUSED;
  const first = desk.start([slack, createChannel('webhook')]);
  desk.fall();
  await desk.clock.pass(10_000);
  await first.stop();
  desk.log.length = 0;
  await desk.start([createChannel('webhook')]).stop();
  await desk.start([createChannel('webhook')]).stop();
  assert.deepEqual(desk.log, [
    'alerts_lost ⚠️  slack is no longer configured: 1 alerts that waited for it are dropped',
  ]);
});

test('without any channel there is no file', async () => {
  const desk = createDesk();
  const notifier = desk.start([]);
  desk.fall();
  notifier.evaluateSoon();
  await desk.clock.pass(MINUTE_MS);
  assert.equal(existsSync(desk.path), false);
  assert.deepEqual(notifier.status(), NO_ALERTS);
});

test('a file that cannot be used is renamed and logged, and the state begins anew', async () => {
  for (const text of ['{"version":1', '{"version":0,"alerting":{},"outbox":{},"counts":{}}', 'null']) {
    const desk = createDesk();
    writeFileSync(desk.path, text);
    const slack = createChannel('slack');
    desk.fall();
    desk.start([slack]);
    await desk.clock.pass(10_000);
    assert.deepEqual(slack.tries, ['down 6274']);
    const aside = /alerts\.json\.bad-\w+$/.exec(desk.log[0] ?? '')?.[0];
    assert.ok(aside && desk.log[0]?.startsWith('state_put_aside'), desk.log[0]);
    assert.equal(readFileSync(join(dirname(desk.path), aside), 'utf8'), text);
  }
});

test('when nothing can be written it goes on in memory, logs that once, and writes as soon as it can', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  desk.start([slack]);
  // A folder in its place: no file can be renamed over it.
  rmSync(desk.path, { force: true });
  mkdirSync(desk.path);
  writeFileSync(`${desk.path}/x`, '');
  desk.fall();
  await desk.clock.pass(10_000);
  desk.rise();
  await desk.clock.pass(10_000);
  assert.deepEqual(slack.tries, OUTAGE);
  assert.deepEqual(
    desk.log.map((line) => line.replace(/ .*/, '')),
    ['alerts_write_failed'],
  );
  rmSync(desk.path, { recursive: true });
  await desk.clock.pass(10_000);
  assert.equal(JSON.parse(readFileSync(desk.path, 'utf8')).counts.slack.sent, 2);
});

test('Alertmanager gets each change, each active alert every minute, and each end once', async () => {
  const desk = createDesk();
  const level = createLevel(desk.clock);
  desk.start([], [level]);
  await desk.clock.pass(MINUTE_MS);
  desk.fall();
  const startMs = desk.clock.now();
  await desk.clock.pass(2.5 * MINUTE_MS);
  desk.rise();
  await desk.clock.pass(10 * MINUTE_MS);
  assert.equal(level.tries.length, 4);
  const [first, second, third, last] = level.tries;
  assert.deepEqual(
    [second, third].map((one) => (one?.atMs ?? 0) - (first?.atMs ?? 0)),
    [60_000, 120_000],
  );
  assert.deepEqual(first?.alerts[0]?.startsAt, startMs);
  assert.deepEqual(last?.alerts[0]?.endsAt, startMs + 2.5 * MINUTE_MS);
});

test('an end that Alertmanager did not accept is sent by the next monitor', async () => {
  const desk = createDesk();
  const level = createLevel(desk.clock);
  const first = desk.start([], [level]);
  desk.fall();
  await desk.clock.pass(10_000);
  level.answer = REFUSED;
  desk.rise();
  await desk.clock.pass(MINUTE_MS);
  await first.stop();
  level.answer = { ok: true };
  const before = level.tries.length;
  desk.start([], [level]);
  await desk.clock.pass(10 * MINUTE_MS);
  assert.equal(level.tries.length, before + 1);
  assert.notEqual(level.tries.at(-1)?.alerts[0]?.endsAt, null);
});

test('each of two Alertmanagers gets everything, and one that is away is tried again by itself', async () => {
  const desk = createDesk();
  const [one, other] = [createLevel(desk.clock), createLevel(desk.clock, 'alertmanager-2')];
  const ends = ({ tries }: typeof one): unknown[] => tries.map(({ alerts }) => alerts[0]?.endsAt !== null);
  const notifier = desk.start([], [one, other]);
  other.answer = REFUSED;
  desk.fall();
  await desk.clock.pass(10_000);
  desk.rise();
  await desk.clock.pass(10_000);
  assert.deepEqual(ends(one), [false, true]);
  other.answer = { ok: true };
  await desk.clock.pass(10 * MINUTE_MS);
  assert.deepEqual([ends(one), ends(other).at(-1)], [[false, true], true]);
  assert.equal(notifier.counts()['alertmanager-2']?.sent, 1);
});

test('an end that Alertmanager refuses for good is dropped, and logged once', async () => {
  const desk = createDesk();
  const level = createLevel(desk.clock);
  const notifier = desk.start([], [level]);
  level.answer = { ok: false, problem: 'HTTP 400', retryAfterMs: null, isFinal: true };
  desk.fall();
  await desk.clock.pass(2.5 * MINUTE_MS);
  desk.rise();
  await desk.clock.pass(10 * MINUTE_MS);
  assert.deepEqual(
    level.tries.map(({ alerts }) => alerts.map(({ endsAt }) => endsAt !== null)),
    [[false], [false], [false], [true]],
  );
  assert.deepEqual(notifier.counts()['alertmanager'], { sent: 0, failed: 3, dropped: 1 });
  assert.deepEqual(
    desk.log.map((line) => line.replace(/ .*/, '')),
    ['delivery_failed', 'alert_dropped'],
  );
});

test('a silence holds everything, also over a restart, and 0 ends it', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  const first = desk.start([slack]);
  first.silence(30);
  assert.equal(first.status().silenceEndsAt, desk.clock.now() + 30 * MINUTE_MS);
  desk.fall();
  await desk.clock.pass(10 * MINUTE_MS);
  await first.stop();
  const second = desk.start([slack]);
  await desk.clock.pass(10 * MINUTE_MS);
  assert.deepEqual(slack.tries, []);
  second.silence(0);
  await desk.clock.pass(10_000);
  assert.deepEqual(slack.tries, ['down 6274']);
  assert.equal(second.status().silenceEndsAt, null);
});

test('the digest comes when the quiet hours end', async () => {
  const desk = createDesk({
    quietHours: { from: '12:00', to: '12:30', timeZone: 'UTC' },
    groupWaitMs: 5_000,
  });
  const slack = createChannel('slack');
  desk.start([slack]);
  desk.fall();
  await desk.clock.pass(1_000);
  desk.rise();
  await desk.clock.pass(29 * MINUTE_MS);
  assert.deepEqual(slack.tries, []);
  await desk.clock.pass(2 * MINUTE_MS);
  assert.deepEqual(slack.tries, ['recovered 6274']);
});

test('an error of the evaluation is logged once with its stack, and the next evaluation goes on', async () => {
  const desk = createDesk();
  const slack = createChannel('slack');
  let isBroken = true;
  const notifier = desk.start([slack], [], desk.path, (view) => {
    if (isBroken) throw new Error('a bug');
    return view;
  });
  desk.fall();
  await desk.clock.pass(20_000);
  isBroken = false;
  await desk.clock.pass(20_000);
  await notifier.stop();
  assert.deepEqual(slack.tries, ['down 6274']);
  assert.deepEqual(
    desk.log.map((line) => line.replace(/ .*/, '')),
    ['alerts_error', 'alerts_error_over'],
  );
});

test('the status says what is held back, and when it is due', async () => {
  const desk = createDesk({ afterMs: 60_000, channels: { telegram: { afterMs: 10 * MINUTE_MS } } });
  const notifier = desk.start([createChannel('slack'), createChannel('telegram')]);
  const startsAt = desk.clock.now();
  desk.fall();
  await desk.clock.pass(10_000);
  const held = { proxy: 'tcp-proxy-6274', reason: 'patience', since: startsAt };
  const slack = { ...held, dueAt: startsAt + 60_000, channels: ['slack'] };
  const telegram = { ...held, dueAt: startsAt + 10 * MINUTE_MS, channels: ['telegram'] };
  assert.deepEqual(notifier.status().heldBack, [slack, telegram]);
  await desk.clock.pass(MINUTE_MS);
  assert.deepEqual(notifier.status().heldBack, [telegram]);
  desk.rise();
  assert.deepEqual(notifier.status().heldBack, [], 'at once, without an evaluation');
});

test('the status says how many notices wait for the end of the quiet hours', async () => {
  const desk = createDesk({ quietHours: { from: '12:00', to: '12:30', timeZone: 'UTC' } });
  const notifier = desk.start([createChannel('slack')]);
  desk.fall();
  await desk.clock.pass(1_000);
  desk.rise();
  await desk.clock.pass(10_000);
  assert.equal(notifier.status().deferred, 1);
});

describe('with the patience of the defaults', () => {
  const PATIENT = { afterMs: undefined };

  test('a day of a development server that is restarted 40 times is no message, and an outage of two minutes in it is two', async () => {
    const desk = createDesk(PATIENT);
    const [slack, webhook] = [createChannel('slack'), createChannel('webhook')];
    const level = createLevel(desk.clock);
    const notifier = desk.start([slack, webhook], [level]);
    const outage = async (ms: number): Promise<void> => {
      desk.fall();
      notifier.evaluateSoon();
      await desk.clock.pass(ms);
      desk.rise();
      notifier.evaluateSoon();
    };
    const restarts = async (count: number, pauseMs: number): Promise<void> => {
      for (let done = 0; done < count; done += 1) {
        await outage(1_500);
        await desk.clock.pass(pauseMs);
      }
    };
    await restarts(5, 10_000);
    await restarts(15, 36 * MINUTE_MS);
    assert.deepEqual([slack.tries, webhook.tries, level.tries.length], [[], [], 0]);
    await outage(2 * MINUTE_MS);
    await restarts(20, 36 * MINUTE_MS);
    assert.deepEqual([slack.tries, webhook.tries], [OUTAGE, OUTAGE]);
    assert.deepEqual(
      level.tries.map(({ alerts }) => alerts.map(({ endsAt }) => endsAt !== null)),
      [[false], [true]],
    );
  });

  test('an outage that waits when the monitor is killed is neither lost nor told twice', async () => {
    const desk = createDesk(PATIENT);
    const slack = createChannel('slack');
    desk.start([slack]);
    desk.fall();
    await desk.clock.pass(30_000);
    desk.kill();
    await desk.clock.pass(20_000);
    desk.start([slack]);
    await desk.clock.pass(9_000);
    assert.deepEqual(slack.tries, []);
    await desk.clock.pass(10_000);
    assert.deepEqual(slack.tries, ['down 6274']);
    desk.kill();
    desk.start([slack]);
    await desk.clock.pass(MINUTE_MS);
    desk.rise();
    await desk.clock.pass(MINUTE_MS);
    assert.deepEqual(slack.tries, OUTAGE);
  });

  test('chat hears after a minute, a pager after ten, and only whoever heard of an outage hears of its end', async () => {
    const desk = createDesk({
      ...PATIENT,
      channels: { telegram: { afterMs: 10 * MINUTE_MS, minSeverity: 'critical' } },
    });
    const [slack, telegram] = [createChannel('slack'), createChannel('telegram')];
    desk.start([slack, telegram]);
    const outage = async (minutes: number): Promise<void> => {
      desk.fall();
      await desk.clock.pass(minutes * MINUTE_MS);
      desk.rise();
      await desk.clock.pass(20 * MINUTE_MS);
    };
    await outage(9);
    assert.deepEqual([slack.tries, telegram.tries], [OUTAGE, []]);
    await outage(11);
    assert.deepEqual([slack.tries, telegram.tries], [[...OUTAGE, ...OUTAGE], OUTAGE]);
  });

  test('a channel that gets settings of its own goes on from what it has heard, and the next monitor knows that', async () => {
    const slack = createChannel('slack');
    const desk = createDesk();
    const first = desk.start([slack]);
    desk.fall();
    await desk.clock.pass(10_000);
    await first.stop();
    desk.configure({ channels: { slack: { afterMs: 5 * MINUTE_MS } } });
    const second = desk.start([slack]);
    await desk.clock.pass(10 * MINUTE_MS);
    await second.stop();
    desk.rise();
    desk.start([slack]);
    await desk.clock.pass(10_000);
    assert.deepEqual(slack.tries, OUTAGE);
  });

  test('a silence holds a channel with settings of its own, too', async () => {
    const desk = createDesk({ channels: { slack: { afterMs: 60_000 } } });
    const slack = createChannel('slack');
    const notifier = desk.start([slack]);
    notifier.silence(30);
    desk.fall();
    await desk.clock.pass(20 * MINUTE_MS);
    assert.deepEqual(slack.tries, []);
    notifier.silence(0);
    await desk.clock.pass(10_000);
    assert.deepEqual(slack.tries, ['down 6274']);
  });

  test('Alertmanager with settings of its own gets what is due for it, and its ends', async () => {
    const desk = createDesk({ channels: { alertmanager: { afterMs: 60_000, minSeverity: 'critical' } } });
    const level = createLevel(desk.clock);
    desk.start([], [level]);
    desk.fall();
    await desk.clock.pass(59_000);
    assert.equal(level.tries.length, 0);
    await desk.clock.pass(20_000);
    desk.rise();
    await desk.clock.pass(20 * MINUTE_MS);
    assert.deepEqual(
      level.tries.map(({ alerts }) => alerts.map(({ endsAt }) => endsAt !== null)),
      [[false], [true]],
    );
  });
});
