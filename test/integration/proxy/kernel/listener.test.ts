import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { Address } from '../../../../src/lib/address.ts';
import { OUTSIDE } from '../../../support/fake-kernel/script.ts';
import { World } from '../../../support/fake-kernel/simulation.ts';
import { LIMITS } from '../../../support/proxy/proxy-policy.ts';

const { EMFILE } = constants.errno;
/** The constants of listener.ts. */
const MAX_ACCEPTS_PER_TURN = 16;
const MAX_CLOSING_TURNS = 512;

const TCP: Address = { host: '127.0.0.1', port: 8_000 };
const UNIX: Address = { host: '/proxy.sock', port: 0 };

const createWorld = (listen = TCP): World =>
  new World({
    sizes: { inBytes: 200_000, outBytes: 20_000, pipeBytes: 1_048_576, eighths: [] },
    policy: { ...LIMITS, upstream: { host: '127.0.0.1', port: 9_000 } },
    listen,
    coalesceAfterBytes: 3_000_000,
    shouldLogDials: false,
  });

const dialMany = (world: World, count: number, host = '127.0.0.1'): void => {
  for (let n = 0; n < count; n += 1) world.dial(host, false);
};

const unlisten = (world: World, id: number): void =>
  world.post({ kind: 'unlisten', id, address: world.setting.listen });

const acceptedCount = ({ clients }: World): number =>
  clients.filter(({ peer }) => peer.stream.peer?.isAccepted).length;

for (const [name, listen] of Object.entries({ TCP, 'unix socket': UNIX }))
  for (const ending of ['unlisten', 'drain'] as const)
    test(`${ending} of a ${name}: the clients in its queue are accepted, ${MAX_ACCEPTS_PER_TURN} a turn, and others go on`, () => {
      const world = createWorld(listen);
      world.dial('127.0.0.1', false);
      world.settle();
      const [open] = world.upstreams;
      const [client] = world.clients;
      assert.ok(open && client);
      dialMany(world, 40);
      if (ending === 'unlisten') unlisten(world, 7);
      else world.post({ kind: 'drain', limitMs: 60_000 });
      const received: number[] = [];
      const accepted: number[] = [];
      for (let turns = 0; turns < 3; turns += 1) {
        open.send(10);
        world.deliverAndTurn();
        world.deliver();
        received.push(client.peer.receivedBytes);
        accepted.push(acceptedCount(world));
        assert.equal(world.answers.includes(7), turns === 2 && ending === 'unlisten', `turn ${turns}`);
      }
      assert.deepEqual(accepted, [17, 33, 41]);
      assert.deepEqual(received, [11, 21, 31]);
      world.settle();
      assert.equal(world.upstreams.length, 41);
    });

test('a client that comes while a listener is being closed is not accepted', () => {
  const world = createWorld();
  dialMany(world, 20);
  unlisten(world, 7);
  world.turn();
  dialMany(world, 5);
  world.settle();
  assert.deepEqual([world.clients.length, acceptedCount(world), world.answers.includes(7)], [20, 20, true]);
});

test('a listener closes though clients keep coming, where the kernel ignores filters of sockets', () => {
  const world = createWorld();
  world.kernel.hasSocketFilters = false;
  dialMany(world, MAX_ACCEPTS_PER_TURN, OUTSIDE);
  unlisten(world, 7);
  let turns = 0;
  for (; !world.answers.includes(7); turns += 1) {
    assert.ok(turns < MAX_CLOSING_TURNS);
    dialMany(world, MAX_ACCEPTS_PER_TURN, OUTSIDE);
    world.turn();
  }
  assert.equal(acceptedCount(world), MAX_CLOSING_TURNS * MAX_ACCEPTS_PER_TURN);
});

test('a drain whose time is up resets the clients that it has not accepted', () => {
  const world = createWorld();
  dialMany(world, 40);
  world.post({ kind: 'drain', limitMs: 100 });
  world.turn();
  assert.equal(acceptedCount(world), MAX_ACCEPTS_PER_TURN);
  world.now += 100;
  world.turn();
  assert.ok(world.isDrained);
  world.deliverAll();
  assert.deepEqual(
    [acceptedCount(world), world.records.map(({ reason }) => reason)],
    [MAX_ACCEPTS_PER_TURN, Array(MAX_ACCEPTS_PER_TURN).fill('drained')],
  );
  assert.ok(world.clients.every(({ peer }) => peer.sawReset));
});

test('a drain is not over before its listener is closed', () => {
  const world = createWorld();
  world.kernel.faults.set('socket', Array(20).fill(EMFILE));
  dialMany(world, 20);
  world.post({ kind: 'drain', limitMs: 60_000 });
  world.turn();
  assert.deepEqual(
    [world.isDrained, world.counters.waitForStoppedListening(0), world.counters.counts(0).total],
    [false, false, 16],
  );
  world.settle();
  assert.deepEqual([world.isDrained, world.counters.waitForStoppedListening(0)], [true, true]);
  assert.equal(world.records.length, 20);
});

test('a listener that pauses, and one whose clients cannot be accepted, are closed at once', () => {
  const world = createWorld();
  world.kernel.faults.set('accept', [EMFILE, EMFILE]);
  dialMany(world, 3);
  world.settle();
  assert.equal(world.errors.length, 1);
  unlisten(world, 7);
  world.turn();
  assert.deepEqual([world.answers.includes(7), acceptedCount(world)], [true, 0]);
  world.passTime();
  assert.ok(![...world.libc.files.values()].includes('socket'));
});

test('the close of a listener that pauses accepts its clients where that is possible again', () => {
  const world = createWorld();
  world.kernel.faults.set('accept', [EMFILE]);
  dialMany(world, 3);
  world.settle();
  assert.equal(acceptedCount(world), 0);
  unlisten(world, 7);
  world.settle();
  assert.deepEqual([world.answers.includes(7), acceptedCount(world)], [true, 3]);
});

test('a pending command is carried out before further clients are accepted', () => {
  const world = createWorld();
  world.dial('127.0.0.1', false);
  unlisten(world, 7);
  world.counters.countCommand();
  world.turn();
  assert.deepEqual([world.answers.includes(7), acceptedCount(world)], [false, 0]);
  world.counters.setHandledCommands(1);
  world.settle();
  assert.deepEqual([world.answers.includes(7), acceptedCount(world)], [true, 1]);
});

test('commands about listeners are carried out one after the other, also while one is being closed', () => {
  const world = createWorld();
  dialMany(world, 40);
  unlisten(world, 7);
  unlisten(world, 8);
  world.post({ kind: 'listen', id: 9, address: TCP });
  unlisten(world, 10);
  world.post({ kind: 'listen', id: 11, address: TCP });
  world.settle();
  assert.deepEqual([world.answers, world.errors], [[1, 7, 8, 9, 10, 11], []]);
  world.dial('127.0.0.1', false);
  world.settle();
  assert.equal(acceptedCount(world), 41);
});

test('after a drain has begun, nothing listens again', () => {
  const world = createWorld();
  world.dial('127.0.0.1', false);
  world.settle();
  unlisten(world, 7);
  world.post({ kind: 'listen', id: 8, address: TCP });
  world.post({ kind: 'drain', limitMs: 60_000 });
  world.settle();
  assert.deepEqual([world.answers, world.errors], [[1, 7, 8], ['the proxy stops listening']]);
  assert.equal(world.kernel.dial(TCP, { host: '127.0.0.1', port: 50_000 }), undefined);
});
