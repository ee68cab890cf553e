import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { EventLoop } from '../../../../src/libc/event-loop.ts';
import { type Pipe, PipePool } from '../../../../src/proxy/kernel/pipe-pool.ts';
import { readOpenFilesLimit } from '../../../../src/system/proc/procfs.ts';
import { createCheckedLibc } from '../../../support/fake-kernel/checked-libc.ts';
import { FakeKernel } from '../../../support/fake-kernel/fake-libc.ts';

const { EMFILE, EPERM } = constants.errno;
/** See pipes.ts. */
const MOST_PIPES = Math.min(32, Math.ceil((readOpenFilesLimit() ?? 1_024) / 64));
const IDLE_MS = 500;

const poolOf = (pipeBytes = 1_048_576) => {
  const sizes = { inBytes: 1, outBytes: 1, pipeBytes, dice: [] };
  const kernel = new FakeKernel(sizes, { route: () => 'deaf', onUpstream: () => {} });
  const libc = createCheckedLibc(kernel);
  const clock = { nowMs: 0 };
  const loop = new EventLoop(libc, () => clock.nowMs);
  const pipes = new PipePool(libc, loop);
  const turn = (nowMs: number): void => {
    clock.nowMs = nowMs;
    loop.turn(
      () => {},
      () => {},
    );
  };
  const open = (): number => [...libc.files.values()].filter((kind) => kind === 'pipe in').length;
  const take = (most: number): readonly Pipe[] =>
    Array.from({ length: most }, () => pipes.acquire()).filter((pipe) => pipe !== undefined);
  return { kernel, libc, pipes, turn, open, take };
};

test('there are no more pipes than the bound, and one that was given back is taken again', () => {
  const { pipes, open, take } = poolOf();
  const taken = take(MOST_PIPES + 10);
  assert.deepEqual([taken.length, open()], [MOST_PIPES, MOST_PIPES]);
  assert.equal(new Set(taken).size, MOST_PIPES);
  const [first] = taken;
  assert.ok(first);
  pipes.release(first);
  assert.deepEqual([pipes.acquire(), pipes.acquire()], [first, undefined]);
});

test('idle pipes are closed but for one', () => {
  const { pipes, open, take, turn, kernel } = poolOf();
  for (const pipe of take(5)) pipes.release(pipe);
  turn(IDLE_MS - 1);
  assert.equal(open(), 5);
  turn(IDLE_MS);
  assert.equal(open(), 1);
  turn(IDLE_MS);
  assert.equal(kernel.timeoutMs, -1);
  assert.equal(take(MOST_PIPES + 1).length, MOST_PIPES);
});

test('a pipe that was dropped with its bytes makes room for another', () => {
  const { pipes, open, take, libc } = poolOf();
  for (let n = 0; n < 3 * MOST_PIPES; n += 1) for (const pipe of take(1)) pipes.discard(pipe);
  assert.equal(open(), 0);
  for (const pipe of take(2)) pipes.release(pipe);
  pipes.close();
  assert.deepEqual([...libc.files.values()], ['epoll']);
});

test('a user who has used up his pages gets the smaller pipe, or none', () => {
  const smaller = poolOf();
  const [only] = smaller.take(1);
  assert.equal(only?.sizeBytes, 1_048_576);
  smaller.kernel.faults.set('setPipeSize', [EPERM]);
  assert.equal(smaller.pipes.acquire()?.sizeBytes, 65_536);

  const none = poolOf(4_096);
  assert.deepEqual([none.pipes.acquire(), none.open()], [undefined, 0]);
});

for (const call of ['pipe', 'setPipeSize'] as const)
  test(`when ${call} fails, no pipe is asked for during a while`, () => {
    const { kernel, turn, open, take } = poolOf();
    take(1);
    kernel.faults.set(call, [EMFILE, EPERM]);
    assert.deepEqual([take(1).length, open()], [0, 1]);
    kernel.faults.clear();
    turn(IDLE_MS - 1);
    assert.equal(take(1).length, 0);
    turn(IDLE_MS);
    assert.deepEqual([take(1).length, open()], [1, 2]);
  });
