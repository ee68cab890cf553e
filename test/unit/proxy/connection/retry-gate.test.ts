import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLoop } from '../../../../src/libc/event-loop.ts';
import { RetryGate, type Waiter } from '../../../../src/proxy/connection/retry-gate.ts';
import { FakeKernel } from '../../../support/fake-kernel/fake-libc.ts';

/** A gate with a clock that the test sets; `takeAttempts` returns the names of the waiters that tried since the last call. */
const createGate = () => {
  const sizes = { inBytes: 1, outBytes: 1, pipeBytes: 1, eighths: [] };
  const clock = { now: 0 };
  const kernel = new FakeKernel(sizes, { route: () => 'deaf', onUpstream: () => {} });
  const loop = new EventLoop(kernel, () => clock.now);
  const gate = new RetryGate(loop);
  let attempts: string[] = [];
  const waiterNamed = (name: string): Waiter => ({
    retry: () => attempts.push(name),
    restart: () => attempts.push(`${name} again`),
  });
  const after = (ms: number): readonly string[] => {
    clock.now += ms;
    loop.turn(
      () => {},
      () => {},
    );
    return takeAttempts();
  };
  const takeAttempts = (): readonly string[] => {
    const all = attempts;
    attempts = [];
    return all;
  };
  return { gate, waiterNamed, after, takeAttempts };
};

test('one waiter tries at a time, at growing pauses', () => {
  const { gate, waiterNamed, after } = createGate();
  const first = waiterNamed('first');
  const second = waiterNamed('second');
  gate.add(first);
  gate.add(second);
  assert.deepEqual([after(99), after(1)], [[], ['first']]);
  assert.deepEqual(after(10_000), [], 'its attempt is not over');
  for (const pauseMs of [150, 225, 337.5, 500, 500]) {
    gate.onFailed(first);
    assert.deepEqual([after(pauseMs - 1), after(1)], [[], ['first']], `${pauseMs} ms`);
  }
});

test('when the waiter that is trying leaves, the next one tries', () => {
  const { gate, waiterNamed, after } = createGate();
  const first = waiterNamed('first');
  const second = waiterNamed('second');
  gate.add(first);
  gate.add(second);
  after(100);
  gate.remove(first);
  assert.deepEqual(after(100), ['second']);
});

test('a failure of a waiter whose turn it was not changes nothing', () => {
  const { gate, waiterNamed, after } = createGate();
  const first = waiterNamed('first');
  const second = waiterNamed('second');
  gate.add(first);
  gate.add(second);
  after(100);
  gate.onFailed(second);
  assert.deepEqual(after(10_000), []);
});

test('when any dial succeeds, all waiters follow, also the one whose attempt hangs', () => {
  const { gate, waiterNamed, after, takeAttempts } = createGate();
  const waiters = ['first', 'second', 'third'].map(waiterNamed);
  for (const waiter of waiters) gate.add(waiter);
  after(100);
  gate.open();
  assert.deepEqual(takeAttempts(), ['first again', 'second', 'third']);
  assert.deepEqual([after(99), after(1)], [[], ['first']], 'they may all fail');
});

test('the pauses start again at their shortest when nothing waits any more', () => {
  const { gate, waiterNamed, after } = createGate();
  const first = waiterNamed('first');
  gate.add(first);
  after(100);
  gate.onFailed(first);
  gate.remove(first);
  assert.deepEqual(after(10_000), []);
  gate.add(waiterNamed('second'));
  assert.deepEqual([after(99), after(1)], [[], ['second']]);
});
