import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  dial,
  echo,
  ending,
  forEachEngine,
  freePort,
  readAll,
  readBytes,
  serve,
} from '../../../support/proxy/proxy-harness.ts';

/** What every engine must do with open connections when it is drained. */
forEachEngine((name, rig) =>
  describe(`drains of the ${name} engine`, () => {
    test('a drain lets what is open finish and refuses what is new', async (t) => {
      const { dial: open, engine, address } = await rig(t, await serve(t, echo));
      const client = open();
      client.write('before');
      await readBytes(client, 6);
      const drained = engine.drain(30_000);
      assert.equal(await ending(dial(t, address)), 'ECONNREFUSED');
      client.end('after');
      assert.equal((await readAll(client)).toString(), 'after');
      await drained;
      assert.equal(engine.counts().active, 0);
    });

    test('a drain without time resets what is open', async (t) => {
      const { dial, engine, record } = await rig(t, await serve(t, echo));
      const client = dial();
      client.write('x');
      await readBytes(client, 1);
      const ended = ending(client);
      await engine.drain(0);
      assert.equal(await ended, 'ECONNRESET');
      assert.equal((await record(0)).reason, 'drained');
    });

    test('a drain closes what a listen under way opens, and from then on a listen is refused', async (t) => {
      const { dial: open, engine, address } = await rig(t, await serve(t, echo));
      const client = open();
      client.write('x');
      await readBytes(client, 1);
      const second = { host: '127.0.0.1', port: await freePort() };
      const listening = engine.listen(second).catch(() => {});
      const drained = engine.drain(30_000);
      await listening;
      await assert.rejects(engine.listen(address), { code: 'ECANCELED' });
      for (const closed of [address, second]) assert.equal(await ending(dial(t, closed)), 'ECONNREFUSED');
      client.end();
      await drained;
    });

    test('every connection that a drain cuts is recorded before the drain is over', async (t) => {
      const { dial, engine, records } = await rig(t, await serve(t, echo));
      const clients = Array.from({ length: 20 }, () => dial());
      for (const client of clients) client.write('x');
      await Promise.all(clients.map((client) => readBytes(client, 1)));
      await engine.drain(0);
      assert.deepEqual(
        records.map(({ reason }) => reason),
        Array(20).fill('drained'),
      );
    });
  }),
);
