import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { Address } from '../../../../src/lib/address.ts';
import type { Policy } from '../../../../src/proxy/engine.ts';
import type { Sizes } from '../../../support/fake-kernel/fake-libc.ts';
import { World } from '../../../support/fake-kernel/simulation.ts';
import { LIMITS } from '../../../support/proxy-policy.ts';

const { EMFILE, ENOSPC } = constants.errno;

const worldOf = (
  policy: Partial<Policy> = {},
  sizes: Partial<Sizes> = {},
  listen: Address = { host: '127.0.0.1', port: 8_000 },
): World =>
  new World({
    sizes: { inBytes: 200_000, outBytes: 20_000, pipeBytes: 1_048_576, dice: [], ...sizes },
    policy: { ...LIMITS, upstream: { host: '127.0.0.1', port: 9_000 }, ...policy },
    listen,
    patientAfterBytes: 3_000_000,
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

test('a reader that takes nothing ends by the reset of the other side, not by the time-out that follows', () => {
  const world = worldOf({ halfCloseTimeoutMs: 100 });
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.stream.inBytes = 0;
  upstream.send(60_000);
  world.settle();
  upstream.reset(world.nowMs);
  world.passTime();
  assert.deepEqual(reasons(world), ['upstream_reset']);
  assert.equal(world.records[0]?.bytesToClient, 20_000);
});

const MUCH = { inBytes: 3_000_000, outBytes: 3_000_000 };

test('a connection with much to do gives way to the others in each turn', () => {
  const world = worldOf({}, MUCH);
  for (let n = 0; n < 2; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  const [busy, quiet] = world.upstreams;
  assert.ok(busy && quiet);
  busy.send(2_500_000);
  quiet.send(10);
  world.kernel.flow();
  world.turn();
  const written = world.clients
    .map(({ peer }) => peer.stream.peer?.written ?? 0)
    .sort((one, other) => one - other);
  assert.equal(written[0], 11);
  assert.ok(
    written[1] && written[1] > 1_000_000 && written[1] < 2_400_000,
    `${written[1]} bytes in one turn`,
  );
  world.settle();
  assert.equal(busy.stream.peer?.inbox.size, 0);
  busy.send(2_900_000);
  world.kernel.flow();
  world.turn();
  world.turn();
  assert.equal(world.kernel.timeoutMs, 0, 'the loop does not wait while there is something to do');
});

/** A connection through which the upstream sends. */
const sendingWorld = () => {
  const world = worldOf({}, MUCH);
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  const own = upstream.stream.peer;
  /** So many bytes, so often; whether all was taken each time. */
  const sendsAtOnce = (bytes: number, times = 1): boolean =>
    Array.from({ length: times }).every(() => {
      upstream.send(bytes);
      world.settle();
      return own?.inbox.size === 0;
    });
  return { world, client, upstream, own, sendsAtOnce };
};

test('a stream that comes in small parts, and never had to be waited for, is told of when much has come, or after 2 ms', () => {
  const { world, client, upstream, own, sendsAtOnce } = sendingWorld();
  assert.ok(sendsAtOnce(200_000, 14) && sendsAtOnce(10), 'no patience yet');
  assert.ok(sendsAtOnce(200_000, 2));
  assert.equal(own?.lowBytes, 524_288);
  assert.ok(sendsAtOnce(600_000), 'much');
  assert.ok(!sendsAtOnce(200_000), 'little');
  assert.equal(world.kernel.timeoutMs, 2);
  world.nowMs += 2;
  world.settle();
  assert.deepEqual([own?.inbox.size, own?.lowBytes], [0, 1]);
  assert.ok(sendsAtOnce(10), 'patience is over');
  assert.ok(sendsAtOnce(200_000, 14), 'and is there again');
  assert.equal(own?.lowBytes, 524_288);
  upstream.send(10);
  upstream.finish();
  world.settle();
  assert.deepEqual([client.received, client.sawFin], [upstream.sent, true], 'an end waits for nothing');
});

test('a stream of which each look brings much is told of at once, until it comes in small parts', () => {
  const { own, sendsAtOnce } = sendingWorld();
  assert.ok(sendsAtOnce(600_000, 20));
  assert.equal(own?.lowBytes, 1);
  for (let n = 0; n < 32 && own?.lowBytes === 1; n += 1) assert.ok(sendsAtOnce(200_000));
  assert.equal(own?.lowBytes, 524_288);
});

test('what has been put off is over when its connection is', () => {
  const world = worldOf({}, MUCH);
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  upstream.send(2_500_000);
  world.kernel.flow();
  // After the event of the upstream, in the same turn.
  world.tell({ kind: 'drain', limitMs: 0 });
  world.turn();
  assert.ok(client.stream.isDead && world.isDrained);
  assert.deepEqual(reasons(world), ['drained']);
  world.libc.verify();
});

test('an end is passed on while the other way is open', () => {
  const world = worldOf();
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.send(10);
  client.finish();
  world.settle();
  assert.deepEqual([upstream.received, upstream.sawFin, client.sawFin], [11, true, false]);
  upstream.send(10);
  world.settle();
  assert.equal(client.received, 11);
  upstream.finish();
  world.passTime();
  assert.deepEqual([client.sawFin, reasons(world)], [true, ['done']]);
});

for (const [limits, finished, reason] of [
  [{ idleTimeoutMs: 100 }, 'nobody', 'idle_timeout'],
  [{ halfCloseTimeoutMs: 100 }, 'client', 'half_close_timeout'],
] as const)
  test(`a byte puts the ${reason} off, by as much and no more`, () => {
    const world = worldOf(limits);
    world.dial('127.0.0.1', false);
    world.settle();
    const [client, upstream] = world.peers;
    assert.ok(client && upstream);
    if (finished === 'client') client.finish();
    world.settle();
    for (let n = 0; n < 5; n += 1) {
      world.nowMs += 60;
      upstream.send(1);
      world.settle();
    }
    world.nowMs += 99;
    world.settle();
    assert.deepEqual([client.received, client.isOver], [6, false]);
    world.nowMs += 1;
    world.passTime();
    assert.deepEqual([reasons(world), world.records[0]?.totalMs], [[reason], 400]);
  });

test('those who are held are served as soon as one of them gets through', () => {
  const world = worldOf({ holdMs: 60_000 });
  world.routes.push('refused');
  for (let n = 0; n < 20; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  assert.equal(world.cells.counts(0).waitingForUpstream, 20);
  world.nowMs += 100;
  world.settle();
  assert.equal(world.cells.counts(0).connectFailures['ECONNREFUSED'], 21, 'one tries for all');
  world.routes.push('later');
  world.nowMs += 149;
  world.settle();
  assert.equal(world.upstreams.length, 0);
  world.nowMs += 1;
  world.settle();
  assert.deepEqual([world.upstreams.length, world.cells.counts(0).waitingForUpstream], [20, 0]);
});

test('the one that tries for all may leave', () => {
  const world = worldOf({ holdMs: 60_000 });
  world.routes.push('refused');
  for (let n = 0; n < 2; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  world.routes.push('deaf');
  world.nowMs += 100;
  world.settle();
  world.clients[0]?.peer.reset(world.nowMs);
  world.settle();
  world.routes.push('later');
  world.nowMs += 100;
  world.settle();
  assert.deepEqual([world.upstreams.length, world.cells.counts(0).waitingForUpstream], [1, 0]);
});

test('what could not be written is dropped with its connection, and its buffer kept', () => {
  const world = worldOf();
  let most = 0;
  for (let n = 0; n < 40; n += 1) {
    world.dial('127.0.0.1', false);
    world.settle();
    const [client, upstream] = [world.clients[n]?.peer, world.upstreams[n]];
    assert.ok(client && upstream);
    client.stream.inBytes = 0;
    upstream.send(60_000);
    world.settle();
    client.reset(world.nowMs);
    world.settle();
    if (n === 0) most = world.libc.memories;
  }
  assert.equal(world.libc.memories, most);
});

test('every address of the upstream is tried, whatever is wrong with one of them', () => {
  for (const [fault, tries] of [
    ['socket', 2],
    ['connect', 2],
    ['epollAdd', 2],
  ] as const) {
    const world = worldOf({ upstream: { host: 'localhost', port: 9_000 } });
    world.dial('127.0.0.1', false);
    // The client's own comes first.
    world.kernel.faults.set(fault, fault === 'epollAdd' ? [0, ENOSPC] : [EMFILE]);
    world.settle();
    assert.equal(world.upstreams.length, 1, fault);
    world.clients[0]?.peer.finish();
    world.upstreams[0]?.finish();
    world.passTime();
    assert.deepEqual([reasons(world), world.records[0]?.tries], [['done'], tries], fault);
  }
  const refused = worldOf({ upstream: { host: 'localhost', port: 9_000 } });
  refused.routes.push('refused');
  refused.dial('127.0.0.1', false);
  refused.passTime();
  assert.deepEqual([reasons(refused), refused.records[0]?.tries], [['upstream_refused'], 2]);
});

for (const [bytes, what] of [
  [100, 'copied'],
  [500_000, 'spliced'],
] as const)
  test(`what comes after urgent data is passed on, where bytes are ${what}`, () => {
    const world = worldOf({}, MUCH);
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
      assert.equal(upstream.received, client.sent);
    }
  });

test('an event of a file that was closed is not one of the next file of that number', () => {
  const world = worldOf({ maxConnections: 1 });
  for (let n = 0; n < 2; n += 1) world.dial('127.0.0.1', false);
  world.settle();
  const [first, second] = world.clients;
  assert.ok(first && second && world.upstreams.length === 1);
  world.routes.push('deaf');
  // Both in one turn: the upstream's ends the connection, and the next client's dial gets the first one's number.
  world.upstreams[0]?.reset(world.nowMs);
  first.peer.finish();
  world.kernel.flow();
  world.turn();
  assert.deepEqual([first.peer.stream.isDead, second.isOpen], [true, false]);
  world.passTime();
  assert.deepEqual(reasons(world), ['upstream_reset', 'upstream_timeout']);
});

test('a connection that was given up before it was accepted keeps nobody waiting', () => {
  const world = worldOf();
  world.kernel.faults.set('accept', [constants.errno.ECONNABORTED, constants.errno.EINTR]);
  world.dial('127.0.0.1', false);
  world.settle();
  assert.deepEqual([world.errors, world.upstreams.length], [[], 1]);
});

test('a listener that is closed and opened again costs no more memory', () => {
  const world = worldOf();
  const before = world.libc.memories;
  for (let n = 0; n < 5; n += 1) {
    world.tell({ kind: 'unlisten', id: 0, address: world.setting.listen });
    world.listen();
  }
  assert.equal(world.libc.memories, before);
});

test('a connection that comes back to the proxy is cut at once, and leaves nothing', () => {
  const world = worldOf(
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

test('a reset waits 500 ms at most for what came before it', () => {
  const world = worldOf();
  world.dial('127.0.0.1', false);
  world.settle();
  const [client, upstream] = world.peers;
  assert.ok(client && upstream);
  client.stream.inBytes = 0;
  upstream.send(10_000);
  world.settle();
  const resetAtMs = world.nowMs;
  upstream.reset(resetAtMs);
  for (let times = 0; times < 20 && !client.stream.isDead; times += 1) {
    world.settle();
    if (!client.stream.isDead) world.nowMs += world.kernel.timeoutMs;
  }
  assert.deepEqual([client.stream.isDead, world.nowMs - resetAtMs], [true, 500]);
});
