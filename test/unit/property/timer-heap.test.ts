import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Timer, TimerHeap } from '../../../src/lib/timers/timer-heap.ts';

const op = fc.oneof(
  fc.record({ op: fc.constant('set' as const), timerIndex: fc.nat({ max: 19 }), dueAt: fc.nat({ max: 50 }) }),
  fc.record({ op: fc.constant('clear' as const), timerIndex: fc.nat({ max: 19 }) }),
  fc.record({ op: fc.constant('run' as const), now: fc.nat({ max: 60 }) }),
);

test('timers are due in the order of a sorted list', () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 120, size: 'max' }), (ops) => {
      const heap = new TimerHeap();
      const called: number[] = [];
      const timers = Array.from(
        { length: 20 },
        (_, n): Timer => ({ dueAt: 0, heapIndex: -1, onDue: () => called.push(n) }),
      );
      const expected = new Map<number, number>();
      for (const step of ops) {
        const timer = 'timerIndex' in step ? timers[step.timerIndex] : undefined;
        if (step.op === 'set' && timer) {
          heap.set(timer, step.dueAt);
          expected.set(step.timerIndex, step.dueAt);
        } else if (step.op === 'clear' && timer) {
          heap.clear(timer);
          expected.delete(step.timerIndex);
        } else if (step.op === 'run') {
          heap.run(step.now);
          const due = [...expected].filter(([, dueAt]) => dueAt <= step.now);
          assert.deepEqual(
            called.map((n) => expected.get(n)),
            due.map(([, dueAt]) => dueAt).sort((left, right) => left - right),
          );
          assert.deepEqual(new Set(called), new Set(due.map(([n]) => n)));
          for (const n of called.splice(0)) expected.delete(n);
        }
        assert.equal(heap.nextDueAt, Math.min(Number.POSITIVE_INFINITY, ...expected.values()));
        assert.deepEqual(
          timers.map(({ heapIndex }) => heapIndex >= 0),
          timers.map((_, n) => expected.has(n)),
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('a timer that is due may set itself again, and clear another', () => {
  const heap = new TimerHeap();
  const called: string[] = [];
  const second: Timer = { dueAt: 0, heapIndex: -1, onDue: () => called.push('second') };
  const first: Timer = {
    dueAt: 0,
    heapIndex: -1,
    onDue: () => {
      called.push('first');
      heap.clear(second);
      heap.set(first, 30);
    },
  };
  heap.set(first, 10);
  heap.set(second, 20);
  heap.run(25);
  assert.deepEqual([called, heap.nextDueAt], [['first'], 30]);
});
