import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newTally, tallied } from '../../src/core/counters.ts';

test('finished connections add up by reason, and by how long they took', () => {
  const ended = [
    ['done', 1, 10],
    ['done', 6_000, 7_000],
    ['upstream_refused', null, 11],
  ] as const;
  const { byReason, connect, duration } = ended.reduce(
    (sum, [reason, connectMs, totalMs]) => tallied(sum, reason, connectMs, totalMs),
    newTally(),
  );
  assert.deepEqual(byReason, { done: 2, upstream_refused: 1 });
  assert.deepEqual(connect.counts, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.equal(connect.sumMs, 6_001);
  assert.deepEqual(duration.counts, [1, 1, 0, 1, 0, 0, 0, 0]);
  assert.equal(duration.sumMs, 7_021);
});

test('a new tally is empty, and adding to one leaves it as it was', () => {
  const empty = newTally();
  tallied(empty, 'done', 1, 1);
  assert.deepEqual(empty, newTally());
  assert.equal(empty.connect.counts.length, empty.connect.boundsMs.length + 1);
});
