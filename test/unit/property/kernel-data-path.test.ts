import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnixSocket } from '../../../src/lib/address.ts';
import { endsRightly, farEnd } from '../../support/fake-kernel/invariants.ts';
import { FOUND } from '../../support/fake-kernel/regressions.ts';
import { act, type Ending, scripts } from '../../support/fake-kernel/script.ts';
import { World } from '../../support/fake-kernel/simulation.ts';

const RUNS = Number(process.env['STEADYPORT_FUZZ_RUNS'] ?? 3_000);

test('no script of clients, upstreams and faults makes the loop lose a byte, a file or an end', () => {
  fc.assert(
    fc.property(scripts, ({ setting, steps, ending }) => {
      const world = new World(setting);
      for (const step of steps) act(world, step);
      end(world, ending);
      world.libc.verify();
    }),
    { numRuns: RUNS, examples: FOUND.map((script) => [script]), includeErrorInReport: true },
  );
});

const end = (world: World, ending: Ending): void => {
  world.kernel.faults.clear();
  if (ending === 'client leaves' || ending === 'upstream leaves') sayGoodbye(world, ending);
  else if (ending === 'silence') fallSilent(world);
  drain(world);
};

/** First everybody reads what there is, then one side leaves, and the other one when it sees that. */
const sayGoodbye = (world: World, ending: Ending): void => {
  const leftAtMs = world.nowMs;
  world.routes.push('later');
  for (const peer of world.peers) peer.isStalled = false;
  world.settle();
  world.nowMs += PATIENCE_MS;
  world.settle();
  hasEverything(world);
  world.leaving = ending === 'client leaves' ? 'clients' : 'upstreams';
  world.settle();
  const isPolite = !world.peers.some(({ hasReset }) => hasReset);
  for (const { peer, isOpen } of world.clients)
    assert.ok(!isOpen || !isPolite || peer.isOver || peer.sawFin, `client ${peer.number} waits for its end`);
  world.passTime();
  isEmpty(world);
  endsRightly(world, leftAtMs);
};

/** Nothing is held back between those who read. */
const hasEverything = ({ clients, upstreams }: World): void => {
  for (const { peer, isOpen } of clients) {
    const far = farEnd(peer, upstreams);
    const isOver = !isOpen || peer.stream.isDead || (far ?? peer).stream.isDead;
    if (isOver || (far ? far.hasReset : upstreams.some(({ hasReset }) => hasReset))) continue;
    assert.equal(far?.received ?? 0, peer.sent, `what client ${peer.number} has sent is held back`);
    if (far) assert.equal(peer.received, far.sent, `what client ${peer.number} is to get is held back`);
  }
};

/** Nobody closes what is open, but the time-outs. */
const fallSilent = (world: World): void => {
  world.passTime();
  const { idleTimeoutMs, halfCloseTimeoutMs } = world.setting.policy;
  if (idleTimeoutMs === 0 || halfCloseTimeoutMs === 0) return;
  isEmpty(world);
  endsRightly(world, world.nowMs);
};

const drain = (world: World): void => {
  world.tell({ kind: 'drain', limitMs: 1_000 });
  world.passTime();
  assert.ok(world.isDrained, 'not drained');
  world.path.loop.run(
    () => {},
    () => {},
  );
  assert.deepEqual([...world.libc.files.values()], [], 'files that nobody has closed');
  world.deliverAll();
  endsRightly(world, world.nowMs);
};

/** No connection is left, and nothing of one. */
const isEmpty = (world: World): void => {
  const { active, waitingForUpstream, waitingForSlot } = world.cells.counts(world.records.length);
  assert.deepEqual([active, waitingForUpstream, waitingForSlot], [0, 0, 0], 'still counted');
  const files = [...world.libc.files.values()].sort().join();
  assert.match(files, /^epoll(,pipe in,pipe out)?(,socket)?$/, 'files left');
  const targets = isUnixSocket(world.setting.policy.upstream) ? 0 : 2;
  const most = world.memoriesAtFirst + 1 + MOST_SPARE + targets;
  assert.ok(
    world.libc.memories <= most,
    `${world.libc.memories} memories, ${world.memoriesAtFirst} at first`,
  );
};

/** See relay.ts. */
const MOST_SPARE = 16;
const PATIENCE_MS = 2;
