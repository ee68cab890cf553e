import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { Address } from '../../../../src/lib/address.ts';
import type { Policy } from '../../../../src/proxy/engine.ts';
import type { Sizes } from '../../../support/fake-kernel/fake-libc.ts';
import { World } from '../../../support/fake-kernel/simulation.ts';
import { LIMITS } from '../../../support/proxy/proxy-policy.ts';

const { EMFILE, ENOSPC } = constants.errno;

const createWorld = (
  policy: Partial<Policy> = {},
  sizes: Partial<Sizes> = {},
  listen: Address = { host: '127.0.0.1', port: 8_000 },
  shouldLogDials = false,
): World =>
  new World({
    sizes: { inBytes: 200_000, outBytes: 20_000, pipeBytes: 1_048_576, eighths: [], ...sizes },
    policy: { ...LIMITS, upstream: { host: '127.0.0.1', port: 9_000 }, ...policy },
    listen,
    coalesceAfterBytes: 3_000_000,
    shouldLogDials,
  });

const reasons = ({ records }: World): readonly string[] => records.map(({ reason }) => reason);

test('a check that is pending at the end of a drain leaves no open file', () => {
  const world = createWorld();
  world.dial('127.0.0.1', true);
  world.settle();
  assert.equal(world.upstreams.length, 1);
  world.post({ kind: 'drain', limitMs: 60_000 });
  world.passTime();
  assert.ok(world.isDrained);
  assert.deepEqual([...world.libc.files.values()].sort(), ['epoll']);
});

test('a client that epoll cannot watch is reset', () => {
  const world = createWorld();
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
  assert.equal(world.counters.counts(1).active, 1);
});

test('a listener that epoll cannot watch is watched after a pause, and the error is reported', () => {
  const world = createWorld();
  world.post({ kind: 'unlisten', id: 0, address: world.setting.listen });
  world.turn();
  world.kernel.faults.set('epollAdd', [ENOSPC]);
  world.listen();
  world.dial('127.0.0.1', false);
  world.settle();
  assert.deepEqual([world.errors, world.upstreams.length], [['accept ENOSPC: 127.0.0.1:8000'], 0]);
  world.passTime();
  assert.equal(world.upstreams.length, 1);
});

test('without free files accepting goes on after a pause, and the error is reported once', () => {
  const world = createWorld();
  world.kernel.faults.set('accept', [EMFILE]);
  for (let n = 0; n < 3; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  assert.deepEqual([world.errors, world.upstreams.length], [['accept EMFILE: 127.0.0.1:8000'], 0]);
  world.passTime();
  assert.deepEqual([world.errors.length, world.upstreams.length], [1, 3]);
});

test('a reset that is reported twice does not cut off the bytes before it', () => {
  const world = createWorld();
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.isStalled = true;
  upstream.send(10_000);
  world.deliverAndTurn();
  upstream.reset(world.now);
  world.turn();
  for (let n = 0; n < 4; n += 1) world.kernel.raiseEvent(n);
  world.turn();
  client.isStalled = false;
  world.passTime();
  assert.deepEqual(
    [client.receivedBytes, client.sawReset, reasons(world)],
    [10_001, true, ['upstream_reset']],
  );
});

test('without a hold a name that cannot be found refuses the client, and the next client starts another lookup', () => {
  const world = createWorld({ upstream: { host: 'a.name', port: 9_000 } });
  for (const isFound of [false, true]) {
    world.dial('127.0.0.1', false);
    for (let turns = 0; turns < 3; turns += 1) world.deliverAndTurn();
    assert.ok(world.isLookupPending);
    world.answerLookup(isFound);
    for (let turns = 0; turns < 3; turns += 1) world.deliverAndTurn();
    assert.ok(!world.isLookupPending);
    world.passTime();
  }
  assert.deepEqual(reasons(world), ['upstream_not_found']);
  assert.equal(world.upstreams.length, 1);
});

test('a client is held while the name of its upstream cannot be found', () => {
  const world = createWorld({ upstream: { host: 'a.name', port: 9_000 }, holdMs: 30_000 });
  world.dial('127.0.0.1', false);
  for (const isFound of [false, false, true]) {
    while (!world.isLookupPending) {
      world.now += 100;
      world.deliverAndTurn();
    }
    world.answerLookup(isFound);
    for (let turns = 0; turns < 3; turns += 1) world.deliverAndTurn();
  }
  world.settle();
  assert.deepEqual([world.upstreams.length, reasons(world)], [1, []]);
});

test('a client whose upstream has moved is served at its new address', () => {
  const world = createWorld({ upstream: { host: 'a.name', port: 9_000 }, holdMs: 30_000 });
  world.dial('127.0.0.1', false);
  world.settle();
  world.routes.push('unreachable');
  world.now += 6_000;
  world.dial('127.0.0.1', false);
  world.deliverAndTurn();
  assert.ok(world.isLookupPending);
  world.answerLookup(false);
  world.routes.push('later');
  world.passTime();
  assert.deepEqual([world.upstreams.length, reasons(world)], [2, []]);
});

test('a stalled reader costs a buffer, and only MAX_SPARE_BUFFERS of them are kept afterwards', () => {
  const world = createWorld();
  const clientCount = 40;
  const spareCount = 16;
  for (let n = 0; n < clientCount; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  assert.equal(world.upstreams.length, clientCount);
  const before = world.libc.memoryCount;
  for (const { peer } of world.clients) peer.stream.inBytes = 0;
  for (const upstream of world.upstreams) upstream.send(60_000);
  world.settle();
  assert.equal(world.libc.memoryCount, before + clientCount);
  for (const { peer } of world.clients) peer.stream.inBytes = 60_001;
  world.settle();
  assert.equal(world.libc.memoryCount, before + spareCount);
  assert.deepEqual(
    world.clients.map(({ peer }) => peer.receivedBytes),
    Array(clientCount).fill(60_001),
  );
});

test('bytes in a pipe are dropped with their connection and do not reach the next one', () => {
  const world = createWorld({ halfCloseTimeoutMs: 100 });
  for (let n = 0; n < 2; n += 1) {
    world.dial('127.0.0.1', false);
    world.settle();
    const client = world.clients[n]?.peer;
    const upstream = world.upstreams[n];
    assert.ok(client && upstream);
    client.isStalled = n === 0;
    for (let sent = 0; sent < 10; sent += 1) {
      upstream.send(200_000);
      world.settle();
    }
    const pipes = [...world.libc.files.values()].filter((kind) => kind === 'pipe in');
    assert.equal(pipes.length, 1);
    if (n === 0) client.reset(world.now);
    else assert.equal(client.receivedBytes, 2_000_001);
    world.settle();
  }
});

test('a client that connected before the listener was closed is served', () => {
  const world = createWorld();
  for (let n = 0; n < 3; n += 1) world.dial('127.0.0.1', false);
  world.post({ kind: 'unlisten', id: 0, address: world.setting.listen });
  world.settle();
  assert.equal(world.upstreams.length, 3);
  world.dial('127.0.0.1', false);
  assert.equal(world.clients.length, 3, 'nothing listens any more');
});

test('a connection to a reader that takes nothing ends with the reset of the other side, not with the time-out that follows', () => {
  const world = createWorld({ halfCloseTimeoutMs: 100 });
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.stream.inBytes = 0;
  upstream.send(60_000);
  world.settle();
  upstream.reset(world.now);
  world.passTime();
  assert.deepEqual(reasons(world), ['upstream_reset']);
  assert.equal(world.records[0]?.bytesToClient, 20_000);
});

test('the dials of a client that waits are logged when the log is on', () => {
  const world = createWorld({ holdMs: 60_000 }, {}, undefined, true);
  world.routes.push('refused');
  world.dial('127.0.0.1', false);
  world.settle();
  world.routes.push('later');
  world.now += 100;
  world.settle();
  assert.deepEqual(world.dialLog, [
    'connecting to 127.0.0.1:9000, attempt 1',
    'attempt 1 failed: ECONNREFUSED',
    'waiting for the upstream (ECONNREFUSED), 60000 ms at most',
    'connecting to 127.0.0.1:9000, attempt 2',
    'connected to 127.0.0.1:9000 in 0 ms',
  ]);
});

test('a dial that is given up is logged with its code when the log is on', () => {
  const world = createWorld({}, {}, undefined, true);
  world.routes.push('refused');
  world.dial('127.0.0.1', false);
  world.settle();
  assert.equal(world.dialLog.at(-1), 'gave up: ECONNREFUSED, attempts: 1');
});

const LARGE_BUFFERS = { inBytes: 3_000_000, outBytes: 3_000_000 };

test('a connection with many bytes gives way to the others in each turn', () => {
  const world = createWorld({}, LARGE_BUFFERS);
  for (let n = 0; n < 2; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  const [busy, quiet] = world.upstreams;
  assert.ok(busy && quiet);
  busy.send(2_500_000);
  quiet.send(10);
  world.kernel.deliver();
  world.turn();
  const written = world.clients
    .map(({ peer }) => peer.stream.peer?.writtenBytes ?? 0)
    .sort((left, right) => left - right);
  assert.equal(written[0], 11);
  assert.ok(
    written[1] && written[1] > 1_000_000 && written[1] < 2_400_000,
    `${written[1]} bytes in one turn`,
  );
  world.settle();
  assert.equal(busy.stream.peer?.inbox.size, 0);
  busy.send(2_900_000);
  world.kernel.deliver();
  world.turn();
  world.turn();
  assert.equal(world.kernel.timeoutMs, 0, 'the loop does not wait while there is something to do');
});

/** A world with one connection, through which the upstream sends. */
const createSendingWorld = () => {
  const world = createWorld({}, LARGE_BUFFERS);
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  const socket = upstream.stream.peer;
  /** Sends `bytes` `times` times. @returns whether the engine has read all of them each time */
  const readsAtOnce = (bytes: number, times = 1): boolean =>
    Array.from({ length: times }).every(() => {
      upstream.send(bytes);
      world.settle();
      return socket?.inbox.size === 0;
    });
  return { world, client, upstream, socket, readsAtOnce };
};

test('the reads of a paced bulk stream are coalesced until COALESCE_BYTES have arrived, or for 2 ms', () => {
  const { world, client, upstream, socket, readsAtOnce } = createSendingWorld();
  assert.ok(readsAtOnce(200_000, 14) && readsAtOnce(10), 'not coalescing yet');
  assert.ok(readsAtOnce(200_000, 2));
  assert.equal(socket?.lowWatermarkBytes, 524_288);
  assert.ok(readsAtOnce(600_000), 'more than COALESCE_BYTES');
  assert.ok(!readsAtOnce(200_000), 'less than COALESCE_BYTES');
  assert.equal(world.kernel.timeoutMs, 2);
  world.now += 2;
  world.settle();
  assert.deepEqual([socket?.inbox.size, socket?.lowWatermarkBytes], [0, 1]);
  assert.ok(readsAtOnce(10), 'not coalescing after the time-out');
  assert.ok(readsAtOnce(200_000, 14), 'coalescing again');
  assert.equal(socket?.lowWatermarkBytes, 524_288);
  upstream.send(10);
  upstream.finish();
  world.settle();
  assert.deepEqual(
    [client.receivedBytes, client.sawFin],
    [upstream.sentBytes, true],
    'an end is forwarded at once',
  );
});

test('the reads of a stream with large splices are not coalesced, until its splices are small', () => {
  const { socket, readsAtOnce } = createSendingWorld();
  assert.ok(readsAtOnce(600_000, 20));
  assert.equal(socket?.lowWatermarkBytes, 1);
  for (let n = 0; n < 32 && socket?.lowWatermarkBytes === 1; n += 1) assert.ok(readsAtOnce(200_000));
  assert.equal(socket?.lowWatermarkBytes, 524_288);
});

test('a deferred read is dropped with its connection', () => {
  const world = createWorld({}, LARGE_BUFFERS);
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  upstream.send(2_500_000);
  world.kernel.deliver();
  // The drain follows the event of the upstream in the same turn.
  world.post({ kind: 'drain', limitMs: 0 });
  world.turn();
  assert.ok(client.stream.isDead && world.isDrained);
  assert.deepEqual(reasons(world), ['drained']);
  world.libc.verify();
});

test('an end is forwarded while the other direction is open', () => {
  const world = createWorld();
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.send(10);
  client.finish();
  world.settle();
  assert.deepEqual([upstream.receivedBytes, upstream.sawFin, client.sawFin], [11, true, false]);
  upstream.send(10);
  world.settle();
  assert.equal(client.receivedBytes, 11);
  upstream.finish();
  world.passTime();
  assert.deepEqual([client.sawFin, reasons(world)], [true, ['done']]);
});

test("a reply 59,999 ms after the client's end arrives, whatever the other limits are", () => {
  const world = createWorld({ connectTimeoutMs: 100, idleTimeoutMs: 100, halfCloseTimeoutMs: 60_000 });
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.finish();
  world.settle();
  world.now += 59_999;
  world.settle();
  upstream.send(10);
  upstream.finish();
  world.passTime();
  assert.deepEqual([client.receivedBytes, client.sawFin, reasons(world)], [11, true, ['done']]);
});

for (const [limits, finished, reason] of [
  [{ idleTimeoutMs: 100 }, 'nobody', 'idle_timeout'],
  [{ halfCloseTimeoutMs: 100 }, 'client', 'half_close_timeout'],
] as const)
  test(`a byte restarts the ${reason}`, () => {
    const world = createWorld(limits);
    world.dial('127.0.0.1', false);
    world.settle();
    const [client, upstream] = world.peers;
    assert.ok(client && upstream);
    if (finished === 'client') client.finish();
    world.settle();
    for (let n = 0; n < 5; n += 1) {
      world.now += 60;
      upstream.send(1);
      world.settle();
    }
    world.now += 99;
    world.settle();
    assert.deepEqual([client.receivedBytes, client.hasEnded], [6, false]);
    world.now += 1;
    world.passTime();
    assert.deepEqual([reasons(world), world.records[0]?.totalMs], [[reason], 400]);
  });

test('all waiting clients are served as soon as one dial succeeds', () => {
  const world = createWorld({ holdMs: 60_000 });
  world.routes.push('refused');
  for (let n = 0; n < 20; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  assert.equal(world.counters.counts(0).waitingForUpstream, 20);
  world.now += 100;
  world.settle();
  assert.equal(world.counters.counts(0).connectFailures['ECONNREFUSED'], 21, 'one dial tries for all');
  world.routes.push('later');
  world.now += 149;
  world.settle();
  assert.equal(world.upstreams.length, 0);
  world.now += 1;
  world.settle();
  assert.deepEqual([world.upstreams.length, world.counters.counts(0).waitingForUpstream], [20, 0]);
});

test('the client whose dial tries for all may leave', () => {
  const world = createWorld({ holdMs: 60_000 });
  world.routes.push('refused');
  for (let n = 0; n < 2; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  world.routes.push('deaf');
  world.now += 100;
  world.settle();
  world.clients[0]?.peer.reset(world.now);
  world.settle();
  world.routes.push('later');
  world.now += 100;
  world.settle();
  assert.deepEqual([world.upstreams.length, world.counters.counts(0).waitingForUpstream], [1, 0]);
});

test('bytes that could not be written are dropped with their connection, and their buffer is kept', () => {
  const world = createWorld();
  let firstCount = 0;
  for (let n = 0; n < 40; n += 1) {
    world.dial('127.0.0.1', false);
    world.settle();
    const client = world.clients[n]?.peer;
    const upstream = world.upstreams[n];
    assert.ok(client && upstream);
    client.stream.inBytes = 0;
    upstream.send(60_000);
    world.settle();
    client.reset(world.now);
    world.settle();
    if (n === 0) firstCount = world.libc.memoryCount;
  }
  assert.equal(world.libc.memoryCount, firstCount);
});

test('every address of the upstream is tried, whatever fails for one of them', () => {
  for (const [fault, tries] of [
    ['socket', 2],
    ['connect', 2],
    ['epollAdd', 2],
  ] as const) {
    const world = createWorld({ upstream: { host: 'localhost', port: 9_000 } });
    world.dial('127.0.0.1', false);
    // The first epollAdd is that of the client.
    world.kernel.faults.set(fault, fault === 'epollAdd' ? [0, ENOSPC] : [EMFILE]);
    world.settle();
    assert.equal(world.upstreams.length, 1, fault);
    world.clients[0]?.peer.finish();
    world.upstreams[0]?.finish();
    world.passTime();
    assert.deepEqual([reasons(world), world.records[0]?.tries], [['done'], tries], fault);
  }
  const refused = createWorld({ upstream: { host: 'localhost', port: 9_000 } });
  refused.routes.push('refused');
  refused.dial('127.0.0.1', false);
  refused.passTime();
  assert.deepEqual([reasons(refused), refused.records[0]?.tries], [['upstream_refused'], 2]);
});

for (const [bytes, method] of [
  [100, 'copied'],
  [500_000, 'spliced'],
] as const)
  test(`bytes after urgent data are forwarded where bytes are ${method}`, () => {
    const world = createWorld({}, LARGE_BUFFERS);
    world.dial('127.0.0.1', false);
    world.settle();
    const [client, upstream] = world.peers;
    assert.ok(client && upstream);
    for (let n = 0; n < 3; n += 1) {
      client.send(bytes);
      world.settle();
      client.send(bytes);
      client.sendUrgent();
      client.send(bytes);
      world.settle();
      assert.equal(upstream.receivedBytes, client.sentBytes);
    }
  });

test('an event of a closed file does not reach the next file with its number', () => {
  const world = createWorld({ maxConnections: 1 });
  for (let n = 0; n < 2; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  const [first, second] = world.clients;
  assert.ok(first && second && world.upstreams.length === 1);
  world.routes.push('deaf');
  // Both events come in one turn. That of the upstream ends the connection, and the next dial reuses the number of its file.
  world.upstreams[0]?.reset(world.now);
  first.peer.finish();
  world.kernel.deliver();
  world.turn();
  assert.deepEqual([first.peer.stream.isDead, second.isOpen], [true, false]);
  world.passTime();
  assert.deepEqual(reasons(world), ['upstream_reset', 'upstream_timeout']);
});

test('a connection that was aborted before it was accepted does not delay the next one', () => {
  const world = createWorld();
  world.kernel.faults.set('accept', [constants.errno.ECONNABORTED, constants.errno.EINTR]);
  world.dial('127.0.0.1', false);
  world.settle();
  assert.deepEqual([world.errors, world.upstreams.length], [[], 1]);
});

test('a listener that is closed and opened again does not leak memory', () => {
  const world = createWorld();
  const before = world.libc.memoryCount;
  for (let n = 0; n < 5; n += 1) {
    world.post({ kind: 'unlisten', id: 0, address: world.setting.listen });
    world.listen();
  }
  assert.equal(world.libc.memoryCount, before);
});

test('a connection that comes back to the proxy is cut at once and leaves nothing', () => {
  const world = createWorld(
    { upstream: { host: '10.9.9.9', port: 8_000 }, allow: ['any'], holdMs: 30_000 },
    {},
    { host: '0.0.0.0', port: 8_000 },
  );
  world.dial('127.0.0.1', false);
  world.passTime();
  assert.ok(reasons(world).includes('loop'));
  assert.ok(world.records.length <= 2, `${world.records.length} connections from one`);
  assert.deepEqual([world.isEmpty, world.clients[0]?.peer.sawReset], [true, true]);
});

test('a reset waits 500 ms at most for the bytes before it', () => {
  const world = createWorld();
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.stream.inBytes = 0;
  upstream.send(10_000);
  world.settle();
  const resetAt = world.now;
  upstream.reset(resetAt);
  for (let times = 0; times < 20 && !client.stream.isDead; times += 1) {
    world.settle();
    if (!client.stream.isDead) world.now += world.kernel.timeoutMs;
  }
  assert.deepEqual([client.stream.isDead, world.now - resetAt], [true, 500]);
});
