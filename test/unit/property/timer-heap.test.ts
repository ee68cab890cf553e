import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Timer, TimerHeap } from '../../../src/libc/timer-heap.ts';

const op = fc.oneof(
  fc.record({ op: fc.constant('set' as const), who: fc.nat({ max: 19 }), dueMs: fc.nat({ max: 50 }) }),
  fc.record({ op: fc.constant('clear' as const), who: fc.nat({ max: 19 }) }),
  fc.record({ op: fc.constant('run' as const), nowMs: fc.nat({ max: 60 }) }),
);

test('deadlines are due as those of a sorted list would be', () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 120, size: 'max' }), (ops) => {
      const deadlines = new TimerHeap();
      const called: number[] = [];
      const all = Array.from(
        { length: 20 },
        (_, n): Timer => ({ dueAt: 0, heapIndex: -1, onDue: () => called.push(n) }),
      );
      const expected = new Map<number, number>();
      for (const step of ops) {
        const timed = 'who' in step ? all[step.who] : undefined;
        if (step.op === 'set' && timed) {
          deadlines.set(timed, step.dueMs);
          expected.set(step.who, step.dueMs);
        } else if (step.op === 'clear' && timed) {
          deadlines.clear(timed);
          expected.delete(step.who);
        } else if (step.op === 'run') {
          deadlines.run(step.nowMs);
          const due = [...expected].filter(([, dueMs]) => dueMs <= step.nowMs);
          assert.deepEqual(
            called.map((n) => expected.get(n)),
            due.map(([, dueMs]) => dueMs).sort((one, other) => one - other),
          );
          assert.deepEqual(new Set(called), new Set(due.map(([n]) => n)));
          for (const n of called.splice(0)) expected.delete(n);
        }
        assert.equal(deadlines.nextDueAt, Math.min(Number.POSITIVE_INFINITY, ...expected.values()));
        assert.deepEqual(
          all.map(({ heapIndex }) => heapIndex >= 0),
          all.map((_, n) => expected.has(n)),
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('one that is due may set itself anew, and call another off', () => {
  const deadlines = new TimerHeap();
  const called: string[] = [];
  const second: Timer = { dueAt: 0, heapIndex: -1, onDue: () => called.push('second') };
  const first: Timer = {
    dueAt: 0,
    heapIndex: -1,
    onDue: () => {
      called.push('first');
      deadlines.clear(second);
      deadlines.set(first, 30);
    },
  };
  deadlines.set(first, 10);
  deadlines.set(second, 20);
  deadlines.run(25);
  assert.deepEqual([called, deadlines.nextDueAt], [['first'], 30]);
});
