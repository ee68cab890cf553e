import assert from 'node:assert/strict';
import { once } from 'node:events';
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
import { until } from '../../../support/until.ts';

/** What every engine must do with a client while the upstream is away. */
forEachEngine((name, rig) =>
  describe(`holds of the ${name} engine`, () => {
    test('holds a client until the upstream is back, its early bytes first', async (t) => {
      const port = await freePort();
      const { dial, record, engine } = await rig(t, { host: '127.0.0.1', port }, { holdMs: 30_000 });
      const client = dial();
      client.write('early ');
      await once(client, 'connect');
      await until(() => (engine.counts().connectFailures['ECONNREFUSED'] ?? 0) >= 3);
      assert.equal(engine.counts().waitingForUpstream, 1);
      await serve(t, echo, { port });
      client.end('late');
      assert.equal((await readAll(client)).toString(), 'early late');
      const { reason, tries } = await record(0);
      assert.equal(reason, 'done');
      assert.ok(tries > 3, `${tries} tries`);
    });

    test('holds a client that has half-closed already', async (t) => {
      const port = await freePort();
      const { dial, engine } = await rig(t, { host: '127.0.0.1', port }, { holdMs: 30_000 });
      const client = dial();
      client.end('all of it');
      await until(() => engine.counts().waitingForUpstream === 1);
      await serve(t, echo, { port });
      assert.equal((await readAll(client)).toString(), 'all of it');
      assert.equal(engine.counts().waitingForUpstream, 0);
      assert.ok((engine.counts().connectFailures['ECONNREFUSED'] ?? 0) > 0);
    });

    test('holds a client whose upstream does not answer, until it does', async (t) => {
      const upstream = await deaf(t);
      const limits = { connectTimeoutMs: 200, holdMs: 60_000 };
      const { dial, record, engine } = await rig(t, upstream, limits);
      const client = dial();
      client.end('late');
      await until(() => (engine.counts().connectFailures['ETIMEDOUT'] ?? 0) >= 2);
      upstream.wake();
      assert.equal((await readAll(client)).toString(), 'late');
      assert.equal((await record(0)).reason, 'done');
    });

    test('gives up at the end of the hold while an attempt is not answered', async (t) => {
      const { dial, record } = await rig(t, await deaf(t), { connectTimeoutMs: 200, holdMs: 900 });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, tries } = await record(0);
      assert.equal(reason, 'upstream_timeout');
      assert.ok(tries >= 2, `${tries} tries`);
    });

    test('gives up at the end of the hold with the number of tries', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const { dial, record } = await rig(t, upstream, { holdMs: 500 });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, tries, holdMs } = await record(0);
      assert.equal(reason, 'upstream_refused');
      assert.ok(tries >= 2, `${tries} tries`);
      assert.ok(holdMs >= 100, `${holdMs} ms`);
    });

    test('holds no more clients than maxHeld', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const { dial, record, engine } = await rig(t, upstream, { holdMs: 30_000, maxHeld: 1 });
      dial();
      await until(() => engine.counts().waitingForUpstream === 1);
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).tries, 1);
      assert.equal(engine.counts().waitingForUpstream, 1);
    });

    test('stops when the client resets', async (t) => {
      const port = await freePort();
      const { dial, record, engine } = await rig(t, { host: '127.0.0.1', port }, { holdMs: 30_000 });
      const client = dial();
      client.write('bytes');
      await until(() => engine.counts().waitingForUpstream === 1);
      client.resetAndDestroy();
      assert.equal((await record(0)).reason, 'client_reset');
      assert.equal(engine.counts().waitingForUpstream, 0);
    });

    test('stops when the client leaves', async (t) => {
      const port = await freePort();
      const { dial, record } = await rig(t, { host: '127.0.0.1', port }, { holdMs: 30_000 });
      const client = dial();
      await once(client, 'connect');
      client.end();
      assert.equal((await record(0)).reason, 'client_gone');
    });
  }),
);
