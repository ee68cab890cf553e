import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { existsSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import type { Address } from '../../../src/lib/address.ts';
import { startProxy } from '../../../src/proxy/proxy.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import {
  dial,
  echo,
  ending,
  forEachEngine,
  readAll,
  readBytes,
  serve,
} from '../../support/proxy/proxy-harness.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const file = (name = 'a.sock'): Address => ({ host: join(tempFolder(), name), port: 0 });

/** A socket file whose listener was killed. */
const stale = (): Address => {
  const address = file('stale.sock');
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, address.host]);
  assert.ok(existsSync(address.host), 'the file outlives its listener');
  return address;
};

/** What every engine must do where one or both sides are unix sockets (unix(7)). */
forEachEngine((name, rig, createEngine) => {
  const through = async (t: TestContext, upstream: Address, listen?: Address) =>
    rig(t, upstream, { allow: [], ...(listen ? {} : { allow: ['loopback'] }) }, listen);

  describe(`unix sockets through the ${name} engine`, () => {
    const ways: Readonly<Record<string, readonly [listen: boolean, upstream: boolean]>> = {
      'TCP → unix socket': [false, true],
      'unix socket → TCP': [true, false],
      'unix socket → unix socket': [true, true],
    };
    for (const [way, [listensOnFile, dialsFile]] of Object.entries(ways))
      test(`${way}: 5 MB arrive whole, and an end is passed on after them`, async (t) => {
        const upstream = await serve(t, echo, dialsFile ? file() : {});
        const { dial, record, address } = await through(
          t,
          upstream,
          listensOnFile ? file('b.sock') : undefined,
        );
        const sent = randomBytes(5_000_000);
        const client = dial();
        client.end(sent);
        assert.deepEqual(await readAll(client), sent);
        const { reason, bytesToUpstream, bytesToClient, client: from } = await record(0);
        assert.deepEqual([reason, bytesToUpstream, bytesToClient], ['done', sent.length, sent.length]);
        if (listensOnFile)
          assert.deepEqual(from, address, 'a client without an address is recorded by the socket');
      });

    test('a reset of a TCP client ends the connection on a unix socket', async (t) => {
      const accepted = new EventEmitter<{ socket: [Socket] }>();
      const upstream = await serve(t, (socket) => accepted.emit('socket', socket), file());
      const { dial, record } = await through(t, upstream);
      const client = dial();
      client.write('x');
      const [socket] = await once(accepted, 'socket');
      client.resetAndDestroy();
      assert.equal(await ending(socket as Socket), 'FIN');
      assert.equal((await record(0)).reason, 'client_reset');
    });

    test('what an upstream sent on a unix socket before it closed arrives', async (t) => {
      const sent = randomBytes(5_000_000);
      const upstream = await serve(t, (socket) => socket.end(sent), file());
      const { dial, record } = await through(t, upstream);
      const client = dial();
      assert.deepEqual(await readAll(client), sent);
      client.end();
      assert.equal((await record(0)).reason, 'done');
    });

    test('a client waits for a socket file that is not there yet', async (t) => {
      const upstream = file();
      const { dial, record } = await rig(t, upstream, { holdMs: 20_000 });
      const client = dial();
      client.write('early');
      await once(client, 'connect');
      await serve(t, echo, upstream);
      assert.equal((await readBytes(client, 5)).toString(), 'early');
      client.end();
      assert.equal((await record(0)).reason, 'done');
    });

    test('a socket file that no process listens on is refused at once without a hold', async (t) => {
      const { dial, record } = await through(t, stale());
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, code } = await record(0);
      assert.deepEqual([reason, code], ['upstream_refused', 'ECONNREFUSED']);
    });

    test('a stale socket file is replaced; the file goes with the listener', async (t) => {
      const listen = stale();
      const { engine, dial } = await through(t, await serve(t, echo), listen);
      const client = dial();
      client.end('hello');
      assert.equal((await readAll(client)).toString(), 'hello');
      await engine.unlisten(listen);
      assert.equal(existsSync(listen.host), false);
    });

    test('a socket file that another process listens on is kept', async (t) => {
      const theirs = await serve(t, (socket) => socket.end('theirs'), file());
      await assert.rejects(through(t, await serve(t, echo), theirs), { code: 'EADDRINUSE' });
      assert.equal((await readAll(dial(t, theirs))).toString(), 'theirs');
    });

    test('a file that is no socket is left alone', async (t) => {
      const listen = file();
      writeFileSync(listen.host, 'a letter');
      await assert.rejects(through(t, await serve(t, echo), listen), { code: 'EADDRINUSE' });
      assert.equal(readFileSync(listen.host, 'utf8'), 'a letter');
    });

    test('a proxy whose socket file was deleted listens again', async (t) => {
      const listen = file();
      const logged: string[] = [];
      const { host, port } = await serve(t, (socket) => socket.end('served'));
      const proxy = proxyOf({ listen: `unix:${listen.host}`, upstream: `${host}:${port}` });
      const log = (_: string, text: string) => logged.push(text);
      const options = { rebindIntervalMs: 100 };
      const runningProxy = await startProxy(proxy, createEngine, log, assert.fail, options);
      t.after(() => runningProxy.drain(0));
      rmSync(listen.host);
      const folder = watch(dirname(listen.host));
      while (!existsSync(listen.host)) await once(folder, 'change');
      folder.close();
      // The file is there from bind(2) on; until listen(2), in another thread, a connect to it is refused.
      for (let answer = ''; answer !== 'served'; )
        answer = String(await readAll(dial(t, listen)).catch(() => ''));
      assert.ok(logged.includes(`listening on unix:${listen.host}`), logged.join('\n'));
    });

    test('the process that holds the socket file is reported by name', {
      skip: HAS_PROCFS ? false : 'no /proc here',
    }, async (t) => {
      const theirs = await serve(t, echo, file());
      const proxy = proxyOf({ listen: `unix:${theirs.host}`, upstream: 'localhost:1' });
      const runningProxy = await startProxy(proxy, createEngine, () => {}, assert.fail);
      t.after(() => runningProxy.drain(0));
      const [binding] = runningProxy.report().bindings;
      assert.deepEqual([binding?.state, binding?.portOwner?.pid], ['in_use', process.pid]);
    });
  });
});

const proxyOf = (entry: object) => {
  const parsed = parseConfig({ proxies: [entry] });
  assert.ok(parsed.ok);
  const [proxy] = parsed.config.proxies;
  assert.ok(proxy);
  return proxy;
};
