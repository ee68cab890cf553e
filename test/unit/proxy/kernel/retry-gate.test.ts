import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLoop } from '../../../../src/libc/event-loop.ts';
import { RetryGate, type Waiter } from '../../../../src/proxy/kernel/retry-gate.ts';
import { FakeKernel } from '../../../support/fake-kernel/fake-libc.ts';

/** A gate whose clock is set by hand; `tries` are the names of those who have tried since the last look. */
const gateOf = () => {
  const sizes = { inBytes: 1, outBytes: 1, pipeBytes: 1, dice: [] };
  const clock = { nowMs: 0 };
  const kernel = new FakeKernel(sizes, { route: () => 'deaf', onUpstream: () => {} });
  const loop = new EventLoop(kernel, () => clock.nowMs);
  const gate = new RetryGate(loop);
  let tried: string[] = [];
  const held = (name: string): Waiter => ({ retry: () => tried.push(name) });
  const after = (ms: number): readonly string[] => {
    clock.nowMs += ms;
    loop.turn(
      () => {},
      () => {},
    );
    return tries();
  };
  const tries = (): readonly string[] => {
    const all = tried;
    tried = [];
    return all;
  };
  return { gate, held, after, tries };
};

test('one tries at a time, at growing pauses', () => {
  const { gate, held, after } = gateOf();
  const [first, second] = [held('first'), held('second')];
  gate.add(first);
  gate.add(second);
  assert.deepEqual([after(99), after(1)], [[], ['first']]);
  assert.deepEqual(after(10_000), [], 'its try is not over');
  for (const pauseMs of [150, 225, 337.5, 500, 500]) {
    gate.onFailed(first);
    assert.deepEqual([after(pauseMs - 1), after(1)], [[], ['first']], `${pauseMs} ms`);
  }
});

test('when the one that tries leaves, the next one does', () => {
  const { gate, held, after } = gateOf();
  const [first, second] = [held('first'), held('second')];
  gate.add(first);
  gate.add(second);
  after(100);
  gate.remove(first);
  assert.deepEqual(after(100), ['second']);
});

test('a failure of one whose turn it was not changes nothing', () => {
  const { gate, held, after } = gateOf();
  const [first, second] = [held('first'), held('second')];
  gate.add(first);
  gate.add(second);
  after(100);
  gate.onFailed(second);
  assert.deepEqual(after(10_000), []);
});

test('when anybody gets through, all follow but the one that is trying', () => {
  const { gate, held, after, tries } = gateOf();
  const all = ['first', 'second', 'third'].map(held);
  for (const one of all) gate.add(one);
  after(100);
  gate.open();
  assert.deepEqual(tries(), ['second', 'third']);
});

test('the pauses start anew when nobody waits any more', () => {
  const { gate, held, after } = gateOf();
  const first = held('first');
  gate.add(first);
  after(100);
  gate.onFailed(first);
  gate.remove(first);
  assert.deepEqual(after(10_000), []);
  gate.add(held('second'));
  assert.deepEqual([after(99), after(1)], [[], ['second']]);
});
