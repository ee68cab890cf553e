import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { forEachEngine, readAll, serve } from '../../../support/proxy/proxy-harness.ts';

/** What every engine must do with a connection that one side has ended. */
describe('a half-close', { concurrency: true }, () => {
  forEachEngine((name, rig) =>
    describe(`through the ${name} engine`, { concurrency: true }, () => {
      test("a client's FIN is passed on after its data, and the reply that follows arrives whole", async (t) => {
        const upstream = await serve(t, (socket) => {
          void readAll(socket).then((asked) => socket.end(`you said ${asked}`));
        });
        const { dial, record } = await rig(t, upstream);
        const client = dial();
        client.end('hello');
        assert.equal((await readAll(client)).toString(), 'you said hello');
        const { reason, bytesToUpstream, bytesToClient } = await record(0);
        assert.deepEqual([reason, bytesToUpstream, bytesToClient], ['done', 5, 14]);
      });

      test('clients that end before their upstream is connected are served', async (t) => {
        const upstream = await serve(t, (socket) => {
          void readAll(socket).then(() => socket.end('hello'));
        });
        const { dial, record } = await rig(t, upstream);
        const answers = Array.from({ length: 40 }, () => readAll(dial().end()));
        for (const answer of await Promise.all(answers)) assert.equal(answer.toString(), 'hello');
        for (let n = 0; n < 40; n += 1) assert.equal((await record(n)).reason, 'done');
      });

      test("an upstream's FIN is passed on, and the client may go on sending", async (t) => {
        let received: Promise<Buffer> | undefined;
        const upstream = await serve(t, (socket) => {
          socket.end('bye');
          received = readAll(socket);
        });
        const { dial, record } = await rig(t, upstream);
        const client = dial();
        assert.equal((await readAll(client)).toString(), 'bye');
        client.end('one more thing');
        assert.equal((await received)?.toString(), 'one more thing');
        assert.equal((await record(0)).reason, 'done');
      });

      test("a reply that comes later after the client's FIN than any other limit allows arrives whole", async (t) => {
        const upstream = await serve(t, (socket) => {
          void readAll(socket).then(() => setTimeout(() => socket.end('at last'), 2_500));
        });
        const limits = { holdMs: 1_000, connectTimeoutMs: 1_000, idleTimeoutMs: 1_000 };
        const { dial, record } = await rig(t, upstream, limits);
        const client = dial();
        client.end('question');
        assert.equal((await readAll(client)).toString(), 'at last');
        const { reason, totalMs } = await record(0);
        assert.equal(reason, 'done');
        assert.ok(totalMs >= 2_500, `${totalMs} ms in all`);
      });
    }),
  );
});
