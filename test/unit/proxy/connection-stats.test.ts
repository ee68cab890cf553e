import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStatsCollector } from '../../../src/proxy/connection-stats.ts';

test('finished connections add up by reason, and by how long they took', () => {
  const ended = [
    ['done', 1, 10],
    ['done', 6_000, 7_000],
    ['upstream_refused', null, 11],
  ] as const;
  const collector = createStatsCollector();
  for (const [reason, connectMs, totalMs] of ended) collector.add(reason, connectMs, totalMs);
  const { byReason, connect, duration } = collector.read();
  assert.deepEqual(byReason, { done: 2, upstream_refused: 1 });
  assert.deepEqual(connect.counts, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.equal(connect.sumMs, 6_001);
  assert.deepEqual(duration.counts, [1, 1, 0, 1, 0, 0, 0, 0]);
  assert.equal(duration.sumMs, 7_021);
});

test('what was read of a collector does not change when it counts on', () => {
  const collector = createStatsCollector();
  const empty = collector.read();
  collector.add('done', 1, 1);
  assert.deepEqual(empty, createStatsCollector().read());
  assert.equal(empty.connect.counts.length, empty.connect.boundsMs.length + 1);
});
