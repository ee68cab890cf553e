import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { Policy } from '../../../src/proxy/engine.ts';
import { World } from './world.ts';

const { EMFILE, ENOSPC } = constants.errno;

const worldOf = (policy: Partial<Policy> = {}): World =>
  new World({
    sizes: { inBytes: 200_000, outBytes: 20_000, pipeBytes: 1_048_576, dice: [] },
    policy: {
      upstream: { host: '127.0.0.1', port: 9_000 },
      allow: ['loopback'],
      holdMs: 0,
      connectTimeoutMs: 5_000,
      idleTimeoutMs: 0,
      halfCloseTimeoutMs: 60_000,
      maxConnections: 0,
      maxHeld: 100,
      ...policy,
    },
    listen: { host: '127.0.0.1', port: 8_000 },
  });

const reasons = ({ records }: World): readonly string[] => records.map(({ reason }) => reason);

test('a check that is under way at the end of a drain leaves no open file', () => {
  const world = worldOf();
  world.dial('127.0.0.1', true);
  world.settle();
  assert.equal(world.upstreams.length, 1);
  world.tell({ kind: 'drain', limitMs: 60_000 });
  world.passTime();
  assert.ok(world.isDrained);
  assert.deepEqual([...world.libc.files.values()].sort(), ['epoll']);
});

test('a client of whom epoll would tell nothing is reset', () => {
  const world = worldOf();
  world.kernel.faults.set('epollAdd', [ENOSPC]);
  world.dial('127.0.0.1', false);
  world.passTime();
  world.dial('127.0.0.1', false);
  world.passTime();
  assert.deepEqual(reasons(world), ['too_many']);
  assert.deepEqual(
    world.clients.map(({ peer }) => peer.sawReset),
    [true, false],
  );
  assert.equal(world.cells.counts(1).active, 1);
});

test('a listener of which epoll would tell nothing is watched after a pause, and it is said', () => {
  const world = worldOf();
  world.tell({ kind: 'unlisten', id: 0, address: world.setting.listen });
  world.turn();
  world.kernel.faults.set('epollAdd', [ENOSPC]);
  world.listen();
  world.dial('127.0.0.1', false);
  world.settle();
  assert.deepEqual([world.errors, world.upstreams.length], [['accept ENOSPC: 127.0.0.1:8000'], 0]);
  world.passTime();
  assert.equal(world.upstreams.length, 1);
});

test('out of files, accepting goes on after a pause, and it is said once', () => {
  const world = worldOf();
  world.kernel.faults.set('accept', [EMFILE]);
  for (let n = 0; n < 3; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  assert.deepEqual([world.errors, world.upstreams.length], [['accept EMFILE: 127.0.0.1:8000'], 0]);
  world.passTime();
  assert.deepEqual([world.errors.length, world.upstreams.length], [1, 3]);
});

test('a reset that is told twice does not cut off what was sent before it', () => {
  const world = worldOf();
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.isStalled = true;
  upstream.send(10_000);
  world.pass();
  upstream.reset(world.nowMs);
  world.turn();
  for (let n = 0; n < 4; n += 1) world.kernel.wakeUp(n);
  world.turn();
  client.isStalled = false;
  world.passTime();
  assert.deepEqual([client.received, client.sawReset, reasons(world)], [10_001, true, ['upstream_reset']]);
});

test('a name that cannot be found refuses the client, and the next one has it looked up again', () => {
  const world = worldOf({ upstream: { host: 'a.name', port: 9_000 }, holdMs: 30_000 });
  for (const isFound of [false, true]) {
    world.dial('127.0.0.1', false);
    for (let turns = 0; turns < 3; turns += 1) world.pass();
    assert.ok(world.isResolving);
    world.answer(isFound);
    for (let turns = 0; turns < 3; turns += 1) world.pass();
    assert.ok(!world.isResolving);
    world.passTime();
  }
  assert.deepEqual(reasons(world), ['upstream_not_found']);
  assert.equal(world.upstreams.length, 1);
});

test('a stalled reader costs a buffer, of which not all are kept when the bytes have gone', () => {
  const world = worldOf();
  const [clients, spare] = [40, 16];
  for (let n = 0; n < clients; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  assert.equal(world.upstreams.length, clients);
  const before = world.libc.memories;
  for (const { peer } of world.clients) peer.stream.inBytes = 0;
  for (const upstream of world.upstreams) upstream.send(60_000);
  world.settle();
  assert.equal(world.libc.memories, before + clients);
  for (const { peer } of world.clients) peer.stream.inBytes = 60_001;
  world.settle();
  assert.equal(world.libc.memories, before + spare);
  assert.deepEqual(
    world.clients.map(({ peer }) => peer.received),
    Array(clients).fill(60_001),
  );
});

test('bytes in a pipe go with their connection, not to the next one', () => {
  const world = worldOf({ halfCloseTimeoutMs: 100 });
  for (let n = 0; n < 2; n += 1) {
    world.dial('127.0.0.1', false);
    world.settle();
    const [client, upstream] = [world.clients[n]?.peer, world.upstreams[n]];
    assert.ok(client && upstream);
    client.isStalled = n === 0;
    for (let sent = 0; sent < 10; sent += 1) {
      upstream.send(200_000);
      world.settle();
    }
    const pipes = [...world.libc.files.values()].filter((kind) => kind === 'pipe in');
    assert.equal(pipes.length, 1);
    if (n === 0) client.reset(world.nowMs);
    else assert.equal(client.received, 2_000_001);
    world.settle();
  }
});

test('who had connected before the listener was closed is served', () => {
  const world = worldOf();
  for (let n = 0; n < 3; n += 1) world.dial('127.0.0.1', false);
  world.tell({ kind: 'unlisten', id: 0, address: world.setting.listen });
  world.settle();
  assert.equal(world.upstreams.length, 3);
  world.dial('127.0.0.1', false);
  assert.equal(world.clients.length, 3, 'nobody listens any more');
});
