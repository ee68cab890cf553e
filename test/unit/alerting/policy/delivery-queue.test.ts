import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Delivery } from '../../../../src/alerting/delivery.ts';
import {
  afterAttempt,
  countQueued,
  EMPTY_QUEUE,
  enqueue,
  MAX_QUEUED,
  nextMessage,
  type Outbox,
  type Queue,
  removeUnconfigured,
} from '../../../../src/alerting/policy/delivery-queue.ts';
import type { Message } from '../../../../src/alerting/policy/notification.ts';

const message = (number: number): Message => ({
  id: `run-${number}`,
  createdAt: number * 1_000,
  notifications: [],
});
const messages = (count: number): Message[] =>
  Array.from({ length: count }, (_, index) => message(index + 1));
const queueOf = (count: number): Queue => enqueue({}, ['slack'], messages(count))['slack'] ?? EMPTY_QUEUE;
const idsOf = ({ items }: Queue): string[] => items.map((item) => item.message.id);
const refusal = (change: Partial<Extract<Delivery, { ok: false }>> = {}): Delivery => ({
  ok: false,
  problem: 'HTTP 500',
  retryAfterMs: null,
  isFinal: false,
  ...change,
});

test('a message goes to the end of each queue, and leaves it when it was accepted', () => {
  const before = enqueue({}, ['slack', 'webhook'], [message(1)]);
  const after: Outbox = enqueue(before, ['slack', 'webhook'], [message(2)]);
  assert.deepEqual(Object.values(after).map(idsOf), [
    ['run-1', 'run-2'],
    ['run-1', 'run-2'],
  ]);
  const { queue, outcome } = afterAttempt(after['slack'] ?? EMPTY_QUEUE, { ok: true }, 0, 0);
  assert.deepEqual([outcome, idsOf(queue)], ['sent', ['run-2']]);
  assert.equal(enqueue(after, ['slack', 'webhook'], []), after);
});

test('what fails is tried again after 1 s, 2 s, 4 s … at most 5 min, less a quarter by chance', () => {
  const pauses = (chance: number): number[] => {
    let queue = queueOf(1);
    return Array.from({ length: 11 }, () => {
      const result = afterAttempt(queue, refusal(), 5_000, chance);
      assert.equal(result.outcome, 'failed');
      queue = result.queue;
      return queue.nextAttemptAt - 5_000;
    });
  };
  const longest = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((s) => s * 1_000);
  assert.deepEqual(pauses(0), longest);
  assert.deepEqual(
    pauses(1),
    longest.map((ms) => ms * 0.75),
  );
});

describe('when a receiver says how long to wait', () => {
  const table: readonly [asked: number, waited: number][] = [
    [500, 1_000],
    [30_000, 30_000],
    [86_400_000, 3_600_000],
  ];
  for (const [retryAfterMs, waited] of table)
    test(`${retryAfterMs} ms are ${waited} ms`, () => {
      const { queue } = afterAttempt(queueOf(1), refusal({ retryAfterMs }), 0, 0);
      assert.equal(queue.nextAttemptAt, waited);
      assert.equal(nextMessage(queue, waited - 1), undefined);
      assert.equal(nextMessage(queue, waited)?.id, 'run-1');
    });
});

test('a message that is refused for good is dropped, and the next one is due at once', () => {
  const { queue, outcome } = afterAttempt(queueOf(2), refusal({ problem: 'HTTP 400', isFinal: true }), 0, 0);
  assert.deepEqual([outcome, idsOf(queue), queue.problem], ['dropped', ['run-2'], 'HTTP 400']);
  assert.equal(nextMessage(queue, 0)?.id, 'run-2');
});

test('a success resets the count of failures', () => {
  const failed = afterAttempt(queueOf(2), refusal(), 0, 0).queue;
  assert.deepEqual([failed.attempts, failed.problem], [1, 'HTTP 500']);
  assert.deepEqual(afterAttempt(failed, { ok: true }, 0, 0).queue, {
    ...EMPTY_QUEUE,
    items: failed.items.slice(1),
  });
});

test('a clock that was set back makes nothing wait for longer than the longest pause', () => {
  const { queue } = afterAttempt(queueOf(1), refusal(), 10_000_000, 0);
  assert.equal(nextMessage(queue, 0)?.id, 'run-1');
});

describe('when too many wait', () => {
  test('the oldest become one that says how many and from when to when; the first, which may be under way, stays', () => {
    const queue = queueOf(MAX_QUEUED + 41);
    assert.equal(queue.items.length, MAX_QUEUED);
    assert.equal(countQueued(queue), MAX_QUEUED + 41);
    assert.deepEqual(idsOf(queue).slice(0, 3), ['run-1', 'run-2-folded', 'run-44']);
    const [, folded] = queue.items;
    const [notification] = folded?.message.notifications ?? [];
    assert.match(notification?.summary ?? '', /^42 messages waited too long/);
    assert.deepEqual([notification?.startedAt, notification?.endedAt], [2_000, 43_000]);
  });

  test('adding them one by one gives the same queue', () => {
    let outbox: Outbox = {};
    for (const added of messages(MAX_QUEUED + 41)) outbox = enqueue(outbox, ['slack'], [added]);
    assert.deepEqual(outbox['slack'], queueOf(MAX_QUEUED + 41));
  });

  test('a folded message at the head of the queue is not folded again', () => {
    const tried = afterAttempt(queueOf(MAX_QUEUED + 1), { ok: true }, 0, 0).queue;
    const { items } = enqueue({ slack: tried }, ['slack'], messages(2))['slack'] ?? EMPTY_QUEUE;
    assert.equal(items[0], tried.items[0]);
    assert.equal(items[1]?.message.id, 'run-4-folded');
  });
});

test('a channel that is no longer configured loses its queue, and the number of its messages is returned', () => {
  const outbox = enqueue({ discord: EMPTY_QUEUE }, ['slack', 'webhook'], messages(3));
  const { outbox: left, dropped } = removeUnconfigured(outbox, ['webhook']);
  assert.deepEqual([Object.keys(left), dropped], [['webhook'], [{ name: 'slack', count: 3 }]]);
  assert.equal(removeUnconfigured(left, ['webhook']).outbox, left);
});
