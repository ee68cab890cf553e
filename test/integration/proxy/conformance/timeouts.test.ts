import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { echo, ending, forEachEngine, readAll, serve } from '../../../support/proxy/proxy-harness.ts';

/** Longer than a busy machine keeps a thread waiting; the peers that are never silent so long send a byte every 100 ms. */
const SILENCE_MS = 3_000;
const BYTES = 40;

/** When every engine must end a connection that nothing is sent on, and when it must not. */
describe('a time-out', { concurrency: true }, () => {
  forEachEngine((name, rig) =>
    describe(`of the ${name} engine`, { concurrency: true }, () => {
      test('the half-close time-out limits silence, and is no deadline', async (t) => {
        const upstream = await serve(t, (socket) => {
          let left = BYTES;
          const timer = setInterval(() => {
            left -= 1;
            if (left > 0) socket.write('.');
            else socket.end('.');
            if (left === 0) clearInterval(timer);
          }, 100);
          socket.resume();
        });
        const { dial, record } = await rig(t, upstream, { halfCloseTimeoutMs: SILENCE_MS });
        const client = dial();
        client.end('x');
        assert.equal((await readAll(client)).toString(), '.'.repeat(BYTES));
        const { reason, totalMs } = await record(0);
        assert.equal(reason, 'done');
        assert.ok(totalMs > SILENCE_MS, `${totalMs} ms in all`);
      });

      test('the connect time-out never ends a connection that is open', async (t) => {
        const limits = { connectTimeoutMs: 1_500, idleTimeoutMs: 2_500 };
        const { dial, record } = await rig(t, await serve(t, echo), limits);
        assert.equal(await ending(dial()), 'ECONNRESET');
        assert.equal((await record(0)).reason, 'idle_timeout');
      });

      for (const side of ['client', 'upstream'] as const)
        test(`the idle time-out limits silence, and the ${side} alone can break it`, async (t) => {
          const talk = (socket: Socket): void => {
            let left = BYTES;
            const timer = setInterval(() => {
              left -= 1;
              if (left > 0) socket.write('.');
              else socket.end('.');
              if (left === 0) clearInterval(timer);
            }, 100);
          };
          let upstreamReceived: Promise<Buffer> | undefined;
          const upstream = await serve(t, (socket) => {
            upstreamReceived = readAll(socket);
            if (side === 'upstream') talk(socket);
            else socket.once('end', () => socket.end());
          });
          const { dial, record } = await rig(t, upstream, { idleTimeoutMs: SILENCE_MS });
          const client = dial();
          if (side === 'client') talk(client);
          else client.once('end', () => client.end());
          const answered = await readAll(client);
          const received = { client: await upstreamReceived, upstream: answered };
          const { reason, totalMs } = await record(0);
          assert.equal(reason, 'done');
          assert.equal(String(received[side]), '.'.repeat(BYTES));
          assert.ok(totalMs > SILENCE_MS, `${totalMs} ms in all`);
        });

      test('a silent connection ends after the idle time-out', async (t) => {
        const { dial, record } = await rig(t, await serve(t, echo), { idleTimeoutMs: 100 });
        assert.equal(await ending(dial()), 'ECONNRESET');
        assert.equal((await record(0)).reason, 'idle_timeout');
      });

      test('a half-closed connection ends after the half-close time-out', async (t) => {
        const upstream = await serve(t, (socket) => socket.resume());
        const { dial, record } = await rig(t, upstream, { halfCloseTimeoutMs: 100 });
        const client = dial();
        client.end('x');
        assert.equal(await ending(client), 'ECONNRESET');
        assert.equal((await record(0)).reason, 'half_close_timeout');
      });
    }),
  );
});
