import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { Policy } from '../../../../src/proxy/engine.ts';
import type { Call } from '../../../support/fake-kernel/fake-libc.ts';
import { World } from '../../../support/fake-kernel/simulation.ts';
import { LIMITS } from '../../../support/proxy/proxy-policy.ts';

const { ENOBUFS, ENOMEM } = constants.errno;
const BULK_BYTES = 2_500_000;

/** A world with one connection, through which the upstream sends. */
const connectWorld = (policy: Partial<Policy> = {}) => {
  const world = new World({
    sizes: { inBytes: 3_000_000, outBytes: 3_000_000, pipeBytes: 1_048_576, eighths: [] },
    policy: { ...LIMITS, upstream: { host: '127.0.0.1', port: 9_000 }, ...policy },
    listen: { host: '127.0.0.1', port: 8_000 },
    coalesceAfterBytes: 16_777_216,
    shouldLogDials: false,
  });
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  const faultsLeft = (call: Call): number => world.kernel.faults.get(call)?.length ?? 0;
  return { world, client, upstream, faultsLeft };
};

const reasons = ({ records }: World): readonly string[] => records.map(({ reason }) => reason);

/** The calls that get an error; 0 is a call without one. */
const FAILURES: Readonly<Record<string, readonly [call: Call, errors: readonly number[]]>> = {
  'a read': ['receive', [ENOMEM, ENOBUFS]],
  'a write': ['send', [ENOBUFS, ENOMEM]],
  'the write of bytes that are kept': ['send', [0, ENOMEM, ENOBUFS, ENOMEM]],
  'a splice into a pipe': ['splice', [ENOMEM, ENOBUFS]],
  'a splice out of a pipe': ['splice', [0, ENOBUFS, ENOMEM]],
};
for (const [name, [call, errors]] of Object.entries(FAILURES))
  test(`${name} for which the kernel has no memory is made again after a pause`, () => {
    const { world, client, upstream, faultsLeft } = connectWorld();
    world.kernel.faults.set(call, [...errors]);
    upstream.send(BULK_BYTES);
    upstream.finish();
    world.settle();
    const retries = errors.filter((errno) => errno !== 0).length - 1;
    assert.deepEqual([faultsLeft(call), world.kernel.timeoutMs, client.sawFin], [retries, 10, false]);
    for (let n = 0; n < 4; n += 1) world.kernel.raiseEvent(n);
    world.settle();
    assert.equal(faultsLeft(call), retries, 'no event shortens the pause');
    client.finish();
    world.passTime();
    assert.equal(faultsLeft(call), 0);
    assert.deepEqual([client.receivedBytes, client.sawFin], [upstream.sentBytes, true]);
    assert.deepEqual(reasons(world), ['done']);
    world.libc.verify();
  });

test('the pauses double up to 500 ms, and are short again once bytes were moved', () => {
  const { world, client, upstream, faultsLeft } = connectWorld();
  /** @returns the times between the attempts to move the bytes */
  const sendWithFailures = (failures: number): readonly number[] => {
    world.kernel.faults.set('splice', Array<number>(failures).fill(ENOMEM));
    upstream.send(BULK_BYTES);
    const attempts = new Map<string, number>();
    do {
      world.now += Math.max(0, world.kernel.timeoutMs);
      world.settle();
      const state = `${faultsLeft('splice')} left, ${client.receivedBytes} received`;
      attempts.set(state, attempts.get(state) ?? world.now);
    } while (world.kernel.timeoutMs >= 0);
    const times = [...attempts.values()];
    return times.slice(1).map((time, index) => time - (times[index] ?? 0));
  };
  assert.deepEqual(sendWithFailures(8), [10, 20, 40, 80, 160, 320, 500, 500]);
  assert.deepEqual(sendWithFailures(2), [10, 20]);
});

test('the other direction goes on during a pause', () => {
  const { world, client, upstream, faultsLeft } = connectWorld();
  world.kernel.faults.set('splice', [ENOMEM, ENOMEM]);
  upstream.send(BULK_BYTES);
  world.settle();
  client.send(10);
  world.settle();
  assert.deepEqual([upstream.receivedBytes, faultsLeft('splice')], [client.sentBytes, 1]);
});

for (const [limit, reason] of [
  ['idleTimeoutMs', 'idle_timeout'],
  ['halfCloseTimeoutMs', 'half_close_timeout'],
] as const)
  test(`a direction for which the kernel has no memory for long ends with the ${reason}`, () => {
    const { world, client, upstream } = connectWorld({ [limit]: 2_000 });
    world.kernel.faults.set('splice', Array<number>(100).fill(ENOMEM));
    upstream.send(BULK_BYTES);
    if (reason === 'half_close_timeout') client.finish();
    world.settle();
    world.passTime();
    const [record] = world.records;
    assert.deepEqual([record?.reason, record?.totalMs], [reason, 2_000]);
    assert.deepEqual([...world.libc.files.values()].sort(), ['epoll', 'pipe in', 'pipe out', 'socket']);
    world.libc.verify();
  });

test('a pause ends with its connection', () => {
  const { world, client, upstream, faultsLeft } = connectWorld();
  world.kernel.faults.set('splice', [0, ...Array<number>(20).fill(ENOMEM)]);
  upstream.send(BULK_BYTES);
  world.settle();
  client.reset(world.now);
  world.passTime();
  assert.deepEqual([reasons(world), faultsLeft('splice')], [['client_reset'], 19]);
  assert.deepEqual([...world.libc.files.values()].sort(), ['epoll', 'socket']);
  world.libc.verify();
});

test('the bytes before a reset are forwarded after a pause', () => {
  const { world, client, upstream } = connectWorld();
  world.kernel.faults.set('send', [ENOMEM]);
  upstream.send(10);
  world.settle();
  upstream.reset(world.now);
  world.settle();
  assert.deepEqual([client.receivedBytes, client.sawReset], [0, false]);
  world.passTime();
  assert.deepEqual([client.receivedBytes, client.sawReset], [11, true]);
  assert.deepEqual(reasons(world), ['upstream_reset']);
});

const UNIX = { host: '/upstream.sock', port: 0 };

for (const bytes of [10, BULK_BYTES])
  test(`${bytes} bytes behind passed descriptors arrive whole, and so does the end`, () => {
    const { world, client, upstream } = connectWorld({ upstream: UNIX });
    for (let n = 0; n < 3; n += 1) upstream.sendDescriptor(n);
    upstream.send(bytes);
    world.settle();
    assert.equal(client.receivedBytes, upstream.sentBytes);
    upstream.sendDescriptor(10);
    upstream.send(bytes);
    upstream.finish();
    world.settle();
    assert.deepEqual([client.receivedBytes, client.sawFin], [upstream.sentBytes, true]);
  });

test('a connection with many passed descriptors gives way to the others in each turn', () => {
  const { world, client, upstream } = connectWorld({ upstream: UNIX });
  for (let n = 0; n < 1_000; n += 1) upstream.sendDescriptor(1);
  world.kernel.deliver();
  world.turn();
  const written = client.stream.peer?.writtenBytes ?? 0;
  assert.ok(written > 0 && written < 500, `${written} reads in one turn`);
  world.settle();
  assert.equal(client.receivedBytes, upstream.sentBytes);
});
