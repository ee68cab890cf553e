import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  deaf,
  echo,
  ending,
  forEachEngine,
  freePort,
  readAll,
  serve,
} from '../../../support/proxy/proxy-harness.ts';
import { trackOpenFiles } from '../../../support/proxy-observation.ts';
import { until } from '../../../support/until.ts';

/** How every engine must connect to the upstream. */
forEachEngine((name, rig) =>
  describe(`dialling by the ${name} engine`, () => {
    test('takes localhost as 127.0.0.1 and then ::1', async (t) => {
      const { port } = await serve(t, echo, { host: '::1', port: await freePort() });
      const { dial, record } = await rig(t, { host: 'localhost', port });
      const client = dial();
      client.end('six');
      assert.equal((await readAll(client)).toString(), 'six');
      const { upstream, tries } = await record(0);
      assert.deepEqual([upstream, tries], [{ host: '::1', port }, 2]);
    });

    test('refuses the client when the upstream refuses', async (t) => {
      const { dial, record } = await rig(t, { host: '127.0.0.1', port: await freePort() });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, code, tries, isConnected } = await record(0);
      assert.deepEqual([reason, code, tries, isConnected], ['upstream_refused', 'ECONNREFUSED', 1, false]);
    });

    test('remembers which address answered', async (t) => {
      const { port } = await serve(t, echo, { host: '::1', port: await freePort() });
      const { dial, record } = await rig(t, { host: 'localhost', port });
      for (const [n, tries] of [2, 1, 1].entries()) {
        const client = dial();
        client.end('x');
        await readAll(client);
        assert.equal((await record(n)).tries, tries);
      }
    });

    test('one that is not answered in time fails after the connect time-out', async (t) => {
      const { dial, record } = await rig(t, await deaf(t), { connectTimeoutMs: 300 });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, code, tries } = await record(0);
      assert.deepEqual([reason, code, tries], ['upstream_timeout', 'ETIMEDOUT', 1]);
    });

    test('stops when the client resets before the upstream has answered', async (t) => {
      const upstream = await deaf(t);
      const { dial, record, engine } = await rig(t, upstream, { connectTimeoutMs: 60_000 });
      const openFiles = trackOpenFiles();
      const client = dial();
      // Both ends of the client's connection, and the socket to the upstream.
      await until(() => openFiles().length === 3);
      client.resetAndDestroy();
      assert.equal((await record(0)).reason, 'client_reset');
      await until(() => openFiles().length === 0);
      assert.equal(engine.counts().active, 0);
    });
  }),
);
