import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { createHost } from '../../../support/containers/network-namespace.ts';
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
import { trackOpenFiles } from '../../../support/proxy-observation.ts';
import { needs, needsOutside, needsProgram, needsRoot, OUTSIDE } from '../../../support/requirements.ts';
import { until } from '../../../support/until.ts';

/** How every engine must avoid connections to itself. */
forEachEngine((name, rig) =>
  describe(`loops through the ${name} engine`, () => {
    test('never comes back to its own listener, and costs a client at most 3 open files', async (t) => {
      const port = await freePort('0.0.0.0');
      const own = { host: '0.0.0.0', port };
      const { address, record, engine } = await rig(t, { host: 'localhost', port }, { holdMs: 400 }, own);
      assert.equal(address.port, port);
      const openFiles = trackOpenFiles();
      const client = connect({ host: '127.0.0.1', port });
      t.after(() => client.destroy());
      const ended = ending(client);
      await until(() => engine.counts().waitingForUpstream === 1);
      assert.ok(openFiles().length <= 3, openFiles().join());
      assert.equal(await ended, 'ECONNRESET');
      assert.equal((await record(0)).reason, 'upstream_refused');
      assert.equal(engine.counts().total, 1);
    });

    test('gives the reason loop when every address of the upstream is its own listener', async (t) => {
      const port = await freePort('0.0.0.0');
      const own = { host: '0.0.0.0', port };
      const { record, engine } = await rig(t, { host: '127.0.0.1', port }, {}, own);
      assert.equal(await ending(dial(t, { host: '127.0.0.1', port })), 'ECONNRESET');
      const { reason, tries } = await record(0);
      assert.deepEqual([reason, tries, engine.counts().total], ['loop', 0, 1]);
    });

    test('notices at run time that it dialled itself', { skip: needs(needsOutside()) }, async (t) => {
      const port = await freePort('0.0.0.0');
      const unaware = { allow: ['any'] };
      const own = { host: '0.0.0.0', port };
      const { engine, records } = await rig(t, { host: OUTSIDE, port }, unaware, own);
      assert.equal(await ending(dial(t, { host: '127.0.0.1', port })), 'ECONNRESET');
      await until(() => engine.counts().active === 0);
      assert.ok(records.some(({ reason }) => reason === 'loop'));
      assert.ok(engine.counts().total <= 2, `${engine.counts().total} connections from one`);
    });

    test('serves clients whose local port the system gave to its own connections too', async (t) => {
      const ownPorts = new Set<number | undefined>();
      const upstream = await serve(t, (socket) => {
        const { remotePort } = socket;
        ownPorts.add(remotePort);
        socket.once('close', () => ownPorts.delete(remotePort));
        echo(socket);
      });
      const { dial, engine, records } = await rig(t, upstream);
      const open = Array.from({ length: 300 }, () => dial());
      for (const client of open) client.write('x');
      await Promise.all(open.map((client) => readBytes(client, 1)));
      let sharedPorts = 0;
      let served = 0;
      const serveOne = async (): Promise<void> => {
        const client = dial();
        await once(client, 'connect');
        if (ownPorts.has(client.localPort)) sharedPorts += 1;
        client.end('y');
        assert.equal((await readAll(client)).toString(), 'y');
        served += 1;
      };
      // Linux goes through all ports for the connections to one address, so some of them are the same before long.
      while (sharedPorts < 20) await Promise.all(Array.from({ length: 20 }, serveOne));
      await until(() => records.length === served);
      assert.deepEqual([...new Set(records.map(({ reason }) => reason))], ['done']);
      assert.equal(engine.counts().active, open.length);
    });

    test('never takes a connection to itself for the upstream', {
      skip: needs(needsRoot(), needsProgram('ip', 'iproute2')),
    }, async (t) => {
      const host = createHost('self');
      t.after(() => host.remove());
      // Linux gives the even ports of the range first. The range has one, and it is the port that is dialled.
      const range = 'echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range';
      execFileSync('ip', ['netns', 'exec', host.name, 'sh', '-c', range]);
      const args = ['127.0.0.1:7000', '127.0.0.1', '40000', '--hold-ms', '0', '--engine', name];
      const proxy = host.start(process.execPath, ['dist/cli.js', 'proxy', ...args]);
      await until(() => proxy.output().includes('listening'), 'the listener');
      const script = `require('net').connect(7000, '127.0.0.1').on('error', ({ code }) => console.log(code))`;
      const client = host.start(process.execPath, ['-e', script]);
      await until(() => client.output() !== '', 'the end');
      assert.equal(client.output(), 'ECONNRESET\n');
      await until(() => proxy.output().includes('(ESELF)'), 'the word of it');
    });
  }),
);
