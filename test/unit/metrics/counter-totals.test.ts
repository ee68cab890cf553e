import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addReport,
  type CounterTotals,
  NO_COUNTS,
  type Totals,
  totalsOf,
} from '../../../src/metrics/counter-totals.ts';
import { createStatsCollector } from '../../../src/proxy/connection-stats.ts';

/** The totals of a process whose connections are all done. */
const totals = (connections: number): Totals => {
  const counter = createStatsCollector();
  for (let n = 0; n < connections; n += 1) counter.add('done', 3, 50);
  return {
    ...counter.read(),
    total: connections,
    bytesToUpstream: 10 * connections,
    bytesToClient: 100 * connections,
    connectFailures: connections > 5 ? { ECONNREFUSED: connections - 5 } : {},
    cpuMs: connections / 2,
  };
};

test('a report replaces the earlier one of the same process, and is added to those of the processes before it', () => {
  const reports = [
    ['1', 2],
    ['1', 7],
    ['2', 0],
    ['2', 3],
    ['3', 8],
  ] as const;
  const counters = reports.reduce<CounterTotals>(
    (before, [process, connections]) => addReport(before, process, totals(connections)),
    NO_COUNTS,
  );
  const sum = totalsOf(counters);
  assert.deepEqual({ ...sum, connectFailures: {}, cpuMs: 9 }, { ...totals(18), connectFailures: {} });
  assert.deepEqual(sum.connectFailures, { ECONNREFUSED: 2 + 3 });
});

test('no total goes backwards, whatever the processes report', () => {
  const lives = fc.array(fc.array(fc.nat({ max: 9 }), { maxLength: 4 }), { maxLength: 6 });
  fc.assert(
    fc.property(lives, (processes) => {
      let counters = NO_COUNTS;
      let before = totalsOf(counters);
      for (const [process, increments] of processes.entries()) {
        let connections = 0;
        for (const n of increments) {
          connections += n;
          counters = addReport(counters, `${process}`, totals(connections));
          const now = totalsOf(counters);
          for (const key of ['total', 'bytesToUpstream', 'bytesToClient', 'cpuMs'] as const)
            assert.ok(now[key] >= before[key], key);
          for (const [bucket, count] of now.duration.counts.entries())
            assert.ok(count >= (before.duration.counts[bucket] ?? 0), `bucket ${bucket}`);
          before = now;
        }
      }
      const all = processes.flat().reduce((sum, n) => sum + n, 0);
      assert.equal(totalsOf(counters).total, all);
    }),
  );
});

test('a histogram with other bounds, as an earlier version may have stored it, begins anew', () => {
  const old = { boundsMs: [1], counts: [4, 4], sumMs: 9 };
  const counters = {
    previous: { ...totals(1), duration: old },
    current: { processKey: '1', totals: totals(2) },
  };
  assert.deepEqual(totalsOf(counters).duration, totals(2).duration);
  assert.equal(totalsOf(counters).total, 3);
});
