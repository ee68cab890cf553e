import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { EventLoop } from '../../../../src/libc/event-loop.ts';
import { type Pipe, PipePool } from '../../../../src/proxy/kernel/pipe-pool.ts';
import { readOpenFilesLimit } from '../../../../src/system/proc/procfs.ts';
import { createCheckedLibc } from '../../../support/fake-kernel/checked-libc.ts';
import { FakeKernel } from '../../../support/fake-kernel/fake-libc.ts';

const { EMFILE, EPERM } = constants.errno;
/** MAX_PIPES, FILES_PER_PIPE and IDLE_MS of pipe-pool.ts. */
const MAX_PIPES = Math.min(32, Math.ceil((readOpenFilesLimit() ?? 1_024) / 64));
const IDLE_MS = 500;

const createPool = (pipeBytes = 1_048_576) => {
  const sizes = { inBytes: 1, outBytes: 1, pipeBytes, eighths: [] };
  const kernel = new FakeKernel(sizes, { route: () => 'deaf', onUpstream: () => {} });
  const libc = createCheckedLibc(kernel);
  const clock = { now: 0 };
  const loop = new EventLoop(libc, () => clock.now);
  const pipes = new PipePool(libc, loop);
  const turn = (now: number): void => {
    clock.now = now;
    loop.turn(
      () => {},
      () => {},
    );
  };
  const openCount = (): number => [...libc.files.values()].filter((kind) => kind === 'pipe in').length;
  const take = (count: number): readonly Pipe[] =>
    Array.from({ length: count }, () => pipes.acquire()).filter((pipe) => pipe !== undefined);
  return { kernel, libc, pipes, turn, openCount, take };
};

test('the pool creates no more pipes than its bound, and a released pipe is acquired again', () => {
  const { pipes, openCount, take } = createPool();
  const taken = take(MAX_PIPES + 10);
  assert.deepEqual([taken.length, openCount()], [MAX_PIPES, MAX_PIPES]);
  assert.equal(new Set(taken).size, MAX_PIPES);
  const [first] = taken;
  assert.ok(first);
  pipes.release(first);
  assert.deepEqual([pipes.acquire(), pipes.acquire()], [first, undefined]);
});

test('idle pipes are closed, except for one', () => {
  const { pipes, openCount, take, turn, kernel } = createPool();
  for (const pipe of take(5)) pipes.release(pipe);
  turn(IDLE_MS - 1);
  assert.equal(openCount(), 5);
  turn(IDLE_MS);
  assert.equal(openCount(), 1);
  turn(IDLE_MS);
  assert.equal(kernel.timeoutMs, -1);
  assert.equal(take(MAX_PIPES + 1).length, MAX_PIPES);
});

test('a discarded pipe makes room for another', () => {
  const { pipes, openCount, take, libc } = createPool();
  for (let n = 0; n < 3 * MAX_PIPES; n += 1) for (const pipe of take(1)) pipes.discard(pipe);
  assert.equal(openCount(), 0);
  for (const pipe of take(2)) pipes.release(pipe);
  pipes.close();
  assert.deepEqual([...libc.files.values()], ['epoll']);
});

test('a user at the limit of pipe-user-pages-soft gets a smaller pipe, or none', () => {
  const limited = createPool();
  const [only] = limited.take(1);
  assert.equal(only?.sizeBytes, 1_048_576);
  limited.kernel.faults.set('setPipeSize', [EPERM]);
  assert.equal(limited.pipes.acquire()?.sizeBytes, 65_536);

  const none = createPool(4_096);
  assert.deepEqual([none.pipes.acquire(), none.openCount()], [undefined, 0]);
});

for (const call of ['pipe', 'setPipeSize'] as const)
  test(`when ${call} fails, no pipe is created for IDLE_MS`, () => {
    const { kernel, turn, openCount, take } = createPool();
    take(1);
    kernel.faults.set(call, [EMFILE, EPERM]);
    assert.deepEqual([take(1).length, openCount()], [0, 1]);
    kernel.faults.clear();
    turn(IDLE_MS - 1);
    assert.equal(take(1).length, 0);
    turn(IDLE_MS);
    assert.deepEqual([take(1).length, openCount()], [1, 2]);
  });
