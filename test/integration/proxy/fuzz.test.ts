import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzzParameters } from '../../support/fuzz.ts';
import { forEachEngine, serve } from '../../support/proxy/proxy-harness.ts';

/** One step of one side: write a number of bytes, send FIN or RST, stop or go on reading. */
const step = fc.record({
  side: fc.constantFrom('client' as const, 'upstream' as const),
  op: fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: 200_000 }) },
    { weight: 2, arbitrary: fc.constantFrom('shutdown' as const, 'stall' as const, 'resume' as const) },
    { weight: 1, arbitrary: fc.constant('reset' as const) },
  ),
});
const scripts = fc.array(step, { maxLength: 12 });
/** About 3 s an engine. */
const RUNS = 150;

forEachEngine((name, rig) =>
  test(`no script of both sides makes the ${name} engine lose, repeat or reorder a byte`, async (t) => {
    const accepted = new EventEmitter();
    const upstream = await serve(t, (socket) => accepted.emit('socket', socket));
    const { dial, engine, record, records } = await rig(t, upstream);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(scripts, async (script) => {
        const arrival = once(accepted, 'socket');
        const client = observe(dial());
        const far = observe((await arrival)[0] as Socket);
        const sides = { client, upstream: far };
        for (const { side, op } of script) {
          act(sides[side], op);
          await new Promise((done) => setImmediate(done));
        }
        for (const side of [client, far]) act(side, 'resume');
        for (const side of [client, far]) side.socket.end();
        const { reason } = await record(runs);
        runs += 1;
        await Promise.all([client.closed, far.closed]);
        const isReset = client.reset !== 'no' || far.reset !== 'no';
        if (!isReset) assert.equal(reason, 'done');
        for (const [side, peer] of [
          [client, far],
          [far, client],
        ] as const)
          if (side.reset === 'open' && !peer.hasFinished && peer.reset === 'no')
            assert.match(reason, /_reset$/);
        for (const [from, to] of [
          [client, far],
          [far, client],
        ] as const) {
          const sent = Buffer.concat(from.sent);
          const received = Buffer.concat(to.received);
          assert.ok(
            sent.subarray(0, received.length).equals(received),
            'what arrived is not how it was sent',
          );
          if (!isReset) assert.equal(received.length, sent.length);
        }
      }),
      fuzzParameters(t, RUNS),
    );
    assert.deepEqual(
      [engine.counts().active, engine.counts().waitingForUpstream, records.length],
      [0, 0, runs],
    );
  }),
);

interface Side {
  readonly socket: Socket;
  readonly sent: Buffer[];
  readonly received: Buffer[];
  readonly closed: Promise<unknown>;
  /** Whether this side sent its FIN before any reset of the peer. */
  hasFinished: boolean;
  /** A reset after this side's own FIN need not be noticed: nothing more is expected from this side. */
  reset: 'no' | 'open' | 'after its FIN';
}

const observe = (socket: Socket): Side => {
  const closed = new Promise((done) => socket.once('close', done));
  const side: Side = { socket, sent: [], received: [], closed, hasFinished: false, reset: 'no' };
  socket.on('data', (chunk: Buffer) => side.received.push(chunk)).on('error', () => {});
  return side;
};

let salt = 0;

const act = (side: Side, op: number | 'shutdown' | 'stall' | 'resume' | 'reset'): void => {
  const { socket } = side;
  if (op === 'stall') socket.pause();
  else if (op === 'resume') socket.resume();
  else if (op === 'shutdown') {
    side.hasFinished = true;
    socket.end();
  } else if (op === 'reset') {
    if (!socket.destroyed) side.reset = socket.writableEnded ? 'after its FIN' : 'open';
    socket.resetAndDestroy();
  } else if (!socket.writableEnded && !socket.destroyed) {
    salt += 1;
    const bytes = Buffer.alloc(op, `${salt},`);
    side.sent.push(bytes);
    socket.write(bytes);
  }
};
