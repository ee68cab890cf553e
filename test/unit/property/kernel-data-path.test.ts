import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnixSocket } from '../../../src/lib/address.ts';
import { assertConnectionsEnded, findCounterpart } from '../../support/fake-kernel/invariants.ts';
import { REGRESSIONS } from '../../support/fake-kernel/regressions.ts';
import { type Ending, runStep, scripts } from '../../support/fake-kernel/script.ts';
import { World } from '../../support/fake-kernel/simulation.ts';
import { fuzzParameters } from '../../support/fuzz.ts';

const RUNS = 1_000;

test('no script of clients, upstreams and faults makes the loop lose a byte, leak a file or miss an end', () => {
  fc.assert(
    fc.property(scripts, ({ setting, steps, ending }) => {
      const world = new World(setting);
      for (const step of steps) runStep(world, step);
      end(world, ending);
      world.libc.verify();
    }),
    { ...fuzzParameters(RUNS), examples: REGRESSIONS.map((script) => [script]) },
  );
});

const end = (world: World, ending: Ending): void => {
  world.kernel.faults.clear();
  if (ending === 'client leaves' || ending === 'upstream leaves') closeConnections(world, ending);
  else if (ending === 'silence') stayIdle(world);
  drain(world);
};

/** All peers read everything, then one side closes its connections, and the other side when it reads the end. */
const closeConnections = (world: World, ending: Ending): void => {
  const leftAt = world.now;
  world.routes.push('later');
  for (const peer of world.peers) peer.isStalled = false;
  world.settle();
  const lackedMemory = (['receive', 'send', 'splice'] as const).some((call) => world.faults.has(call));
  for (const waitMs of lackedMemory ? [MAX_PAUSE_MS, COALESCE_TIMEOUT_MS] : [COALESCE_TIMEOUT_MS]) {
    world.now += waitMs;
    world.settle();
  }
  assertNothingHeldBack(world);
  world.endingSide = ending === 'client leaves' ? 'clients' : 'upstreams';
  world.settle();
  const wasAnyReset = world.peers.some(({ hasReset }) => hasReset);
  for (const { peer, isOpen } of world.clients)
    assert.ok(
      !isOpen || wasAnyReset || peer.hasEnded || peer.sawFin,
      `client ${peer.number} waits for its end`,
    );
  world.passTime();
  assertNothingLeft(world);
  assertConnectionsEnded(world, leftAt);
};

/** Asserts that every byte between peers that read has been forwarded. */
const assertNothingHeldBack = ({ clients, upstreams }: World): void => {
  for (const { peer, isOpen } of clients) {
    const counterpart = findCounterpart(peer, upstreams);
    const hasEnded = !isOpen || peer.stream.isDead || (counterpart ?? peer).stream.isDead;
    if (hasEnded || (counterpart ? counterpart.hasReset : upstreams.some(({ hasReset }) => hasReset)))
      continue;
    assert.equal(
      counterpart?.receivedBytes ?? 0,
      peer.sentBytes,
      `what client ${peer.number} has sent is held back`,
    );
    if (counterpart)
      assert.equal(
        peer.receivedBytes,
        counterpart.sentBytes,
        `what client ${peer.number} is to get is held back`,
      );
  }
};

/** No peer closes its connections, so the time-outs do. */
const stayIdle = (world: World): void => {
  world.passTime();
  const { idleTimeoutMs, halfCloseTimeoutMs } = world.setting.policy;
  if (idleTimeoutMs === 0 || halfCloseTimeoutMs === 0) return;
  assertNothingLeft(world);
  assertConnectionsEnded(world, world.now);
};

const drain = (world: World): void => {
  world.post({ kind: 'drain', limitMs: 1_000 });
  world.passTime();
  assert.ok(world.isDrained, 'not drained');
  world.dataPath.loop.run(
    () => {},
    () => {},
  );
  assert.deepEqual([...world.libc.files.values()], [], 'files that are not closed');
  world.deliverAll();
  assertConnectionsEnded(world, world.now);
};

/** Asserts that no connection is left, and no file or memory of one. */
const assertNothingLeft = (world: World): void => {
  const { active, waitingForUpstream, waitingForSlot } = world.counters.counts(world.records.length);
  assert.deepEqual([active, waitingForUpstream, waitingForSlot], [0, 0, 0], 'still counted');
  const files = [...world.libc.files.values()].sort().join();
  assert.match(files, /^epoll(,pipe in,pipe out)?(,socket)?$/, 'files left');
  const upstreamAddressCount = isUnixSocket(world.setting.policy.upstream) ? 0 : 2;
  const maxMemoryCount = world.initialMemoryCount + 1 + MAX_SPARE_BUFFERS + upstreamAddressCount;
  assert.ok(
    world.libc.memoryCount <= maxMemoryCount,
    `${world.libc.memoryCount} memories, ${world.initialMemoryCount} at first`,
  );
};

/** The constants of relay.ts. */
const MAX_SPARE_BUFFERS = 16;
const COALESCE_TIMEOUT_MS = 2;
const MAX_PAUSE_MS = 500;
