import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { openCheckSource } from '../../../../src/monitor/checks/announced-check.ts';
import {
  echo,
  ending,
  forEachEngine,
  freePort,
  readAll,
  readBytes,
  serve,
} from '../../../support/proxy/proxy-harness.ts';
import { needs, needsOutside, OUTSIDE } from '../../../support/requirements.ts';
import { until } from '../../../support/until.ts';

/** Which clients every engine must serve, and which not. */
forEachEngine((name, rig) =>
  describe(`limits of the ${name} engine`, () => {
    test('a client that is not on the allow list is reset, and recorded with its address', async (t) => {
      const { dial, record } = await rig(t, await serve(t, echo), { allow: ['10.0.0.0/8'] });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, client } = await record(0);
      assert.deepEqual([reason, client.host], ['not_allowed', '127.0.0.1']);
    });

    test('a client over the limit waits for a slot, and one more is refused', async (t) => {
      const limits = { maxConnections: 1, maxHeld: 1 };
      const { dial, record, engine } = await rig(t, await serve(t, echo), limits);
      const first = dial();
      first.write('1');
      await readBytes(first, 1);
      const second = dial();
      second.end('second');
      await until(() => engine.counts().waitingForSlot === 1);
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'too_many');
      assert.equal(second.bytesRead, 0);
      first.end();
      assert.equal((await readAll(second)).toString(), 'second');
      await record(2);
      assert.equal(engine.counts().active, 0);
    });

    test('clients that wait for a slot are served in the order in which they came', async (t) => {
      const limits = { maxConnections: 1 };
      const { dial, record, engine } = await rig(t, await serve(t, echo), limits);
      const clients: Socket[] = [];
      for (const n of [0, 1, 2]) {
        clients.push(dial());
        await until(() => engine.counts().active + engine.counts().waitingForSlot === n + 1);
      }
      const ports = clients.map(({ localPort }) => localPort);
      for (const client of clients) client.end('x');
      const records = await Promise.all([0, 1, 2].map(record));
      assert.deepEqual(
        records.map(({ client }) => client.port),
        ports,
      );
    });

    test('clients that wait for the upstream and clients that wait for a slot are counted together', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const limits = { holdMs: 30_000, maxConnections: 1 };
      const twoHeld = await rig(t, upstream, { ...limits, maxHeld: 2 });
      twoHeld.dial();
      await until(() => twoHeld.engine.counts().waitingForUpstream === 1);
      twoHeld.dial();
      await until(() => twoHeld.engine.counts().waitingForSlot === 1);
      assert.equal(await ending(twoHeld.dial()), 'ECONNRESET');
      assert.equal((await twoHeld.record(0)).reason, 'too_many');

      // The second client waits for a slot before the upstream has refused the first.
      const oneHeld = await rig(t, upstream, { ...limits, maxHeld: 1 });
      for (const client of [oneHeld.dial(), oneHeld.dial()]) void ending(client);
      await until(
        () => oneHeld.engine.counts().total === 2 && oneHeld.engine.counts().waitingForUpstream === 1,
      );
      assert.equal(oneHeld.engine.counts().waitingForSlot, 0);
    });

    test('a client that leaves while it waits for a slot costs nothing', async (t) => {
      const { dial, record, engine } = await rig(t, await serve(t, echo), {
        maxConnections: 1,
      });
      const first = dial();
      first.write('1');
      await readBytes(first, 1);
      const second = dial();
      await until(() => engine.counts().waitingForSlot === 1);
      second.end();
      assert.equal((await record(0)).reason, 'client_gone');
      assert.equal(engine.counts().waitingForSlot, 0);
      first.end('2');
      assert.equal((await readAll(first)).toString(), '2');
    });

    test("the monitor's checks are neither counted nor logged", async (t) => {
      const { engine, address, records } = await rig(t, await serve(t, echo), { allow: [] });
      const check = async (forward: boolean): Promise<Socket> => {
        const source = openCheckSource(address.host);
        engine.expectCheck({ localHost: source.address.host, localPort: source.address.port, forward });
        const socket = source.connect(address);
        t.after(() => socket.destroy());
        return socket;
      };
      assert.equal(await ending(await check(false)), 'FIN');
      const through = await check(true);
      through.end('through');
      assert.equal((await readAll(through)).toString(), 'through');
      const { active, total, waitingForUpstream, waitingForSlot } = engine.counts();
      assert.deepEqual([active, total, waitingForUpstream, waitingForSlot, records.length], [0, 0, 0, 0, 0]);
    });

    /** A proxy that refuses every client, and clients that connect from the same port of one address or another of this host. */
    const refusing = async (t: TestContext) => {
      const everywhere = { host: '0.0.0.0', port: 0 };
      const { engine, address } = await rig(t, await serve(t, echo), { allow: [] }, everywhere);
      const localPort = await freePort('0.0.0.0');
      const from = async (host: string): Promise<string> => {
        const socket = connect({
          host,
          port: address.port,
          localAddress: host,
          localPort,
          allowHalfOpen: true,
        });
        t.after(() => socket.destroy());
        const how = await ending(socket);
        socket.resetAndDestroy();
        return how;
      };
      return { engine, localPort, from };
    };

    test('a check is good for one connection, from the very address that was announced', async (t) => {
      const { engine, localPort, from } = await refusing(t);
      engine.expectCheck({ localHost: '127.0.0.1', localPort, forward: false });
      assert.equal(await from('127.0.0.2'), 'ECONNRESET');
      assert.equal(await from('127.0.0.1'), 'FIN');
      assert.equal(await from('127.0.0.1'), 'ECONNRESET');
      assert.equal(engine.counts().total, 2);
    });

    test('a check that is taken back is none: the client that has its address is refused, and counted', async (t) => {
      const { engine, localPort, from } = await refusing(t);
      engine.expectCheck({ localHost: '127.0.0.1', localPort, forward: false });
      engine.retractCheck({ localHost: '127.0.0.2', localPort });
      assert.equal(await from('127.0.0.1'), 'FIN', 'another check was taken back');
      engine.expectCheck({ localHost: '127.0.0.1', localPort, forward: false });
      engine.retractCheck({ localHost: '127.0.0.1', localPort });
      assert.equal(await from('127.0.0.1'), 'ECONNRESET');
      assert.equal(engine.counts().total, 1);
    });

    test('a check that is announced without an address, as by an older monitor, may come from any of this host', {
      skip: needs(needsOutside()),
    }, async (t) => {
      const { engine, localPort, from } = await refusing(t);
      engine.expectCheck({ localPort, forward: false });
      assert.equal(await from(OUTSIDE), 'ECONNRESET', 'the rig has no address but those of loopback');
      assert.equal(await from('127.0.0.2'), 'FIN');
      assert.equal(await from('127.0.0.1'), 'ECONNRESET');
      assert.equal(engine.counts().total, 2);
    });
  }),
);
