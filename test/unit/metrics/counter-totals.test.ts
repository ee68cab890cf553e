import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  entered,
  type Ledger,
  NEW_LEDGER,
  type Totals,
  totalsOf,
} from '../../../src/metrics/counter-totals.ts';
import { createCounter } from '../../../src/proxy/connection-stats.ts';

/** Of a process with so many connections, all done. */
const totals = (connections: number): Totals => {
  const counter = createCounter();
  for (let n = 0; n < connections; n += 1) counter.add('done', 3, 50);
  return {
    ...counter.tally(),
    total: connections,
    bytesToUpstream: 10 * connections,
    bytesToClient: 100 * connections,
    dialFailures: connections > 5 ? { ECONNREFUSED: connections - 5 } : {},
    cpuMs: connections / 2,
  };
};

test('what a process reports replaces what it reported before, and is added to that of the processes before it', () => {
  const reports = [
    ['1', 2],
    ['1', 7],
    ['2', 0],
    ['2', 3],
    ['3', 8],
  ] as const;
  const ledger = reports.reduce<Ledger>(
    (before, [process, connections]) => entered(before, process, totals(connections)),
    NEW_LEDGER,
  );
  const sum = totalsOf(ledger);
  assert.deepEqual({ ...sum, dialFailures: {}, cpuMs: 9 }, { ...totals(18), dialFailures: {} });
  assert.deepEqual(sum.dialFailures, { ECONNREFUSED: 2 + 3 });
});

test('whatever the processes report, nothing goes backwards', () => {
  const lives = fc.array(fc.array(fc.nat({ max: 9 }), { maxLength: 4 }), { maxLength: 6 });
  fc.assert(
    fc.property(lives, (processes) => {
      let ledger = NEW_LEDGER;
      let before = totalsOf(ledger);
      for (const [process, more] of processes.entries()) {
        let connections = 0;
        for (const n of more) {
          connections += n;
          ledger = entered(ledger, `${process}`, totals(connections));
          const now = totalsOf(ledger);
          for (const key of ['total', 'bytesToUpstream', 'bytesToClient', 'cpuMs'] as const)
            assert.ok(now[key] >= before[key], key);
          for (const [bucket, count] of now.duration.counts.entries())
            assert.ok(count >= (before.duration.counts[bucket] ?? 0), `bucket ${bucket}`);
          before = now;
        }
      }
      const all = processes.flat().reduce((sum, n) => sum + n, 0);
      assert.equal(totalsOf(ledger).total, all);
    }),
  );
});

test('a histogram of other bounds, as an earlier version may have kept it, begins anew', () => {
  const old = { boundsMs: [1], counts: [4, 4], sumMs: 9 };
  const ledger = { past: { ...totals(1), duration: old }, last: { process: '1', totals: totals(2) } };
  assert.deepEqual(totalsOf(ledger).duration, totals(2).duration);
  assert.equal(totalsOf(ledger).total, 3);
});
